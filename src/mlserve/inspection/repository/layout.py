"""Look at a Triton model repository: which models it has, and what keeps each from being loaded. Runs nothing."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlserve.inspection.repository.config import Config, read

CONFIG = "config.pbtxt"
_FILES = {
    "python": ("model.py",),
    "onnxruntime": ("model.onnx",),
    "tensorrt": ("model.plan",),
    "pytorch": ("model.pt",),
    "tensorflow": ("model.savedmodel", "model.graphdef"),
    "openvino": ("model.xml",),
}
"""Backend → what it looks for in a version folder."""
_INSTEAD = {
    "onnxruntime": "processor onnx serves this file",
    "pytorch": "processor pytorch serves this file",
    "tensorflow": "processor tensorflow serves this folder",
}
_LARGEST = 4 << 20


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a repository."""

    name: str
    backend: str = ""
    versions: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()
    """Why it can't be loaded, each with the file that it is about."""


@dataclass(frozen=True, slots=True)
class Repository:
    """What is in a repository."""

    models: tuple[Model, ...] = ()
    problems: tuple[str, ...] = ()
    """Why it is none at all."""


def look(path: Path, backends: Collection[str] | None = None, *, configured: bool = False) -> Repository:
    """What is at ``path``.

    ``backends``: those of the server that will read it; None: not known. ``configured``: it wants every model's
    config.pbtxt, and completes none by itself.
    """
    if not path.is_dir():
        return Repository(problems=(f"{path.name} is no folder: a model repository holds a folder for each model",))
    if (path / CONFIG).is_file() or any(_is_version(child) for child in path.iterdir()):
        return Repository(problems=(f"{path.name} is the folder of one model: the repository is the folder around it",))
    folders = sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
    models = [_model(folder, backends, configured) for folder in folders]
    names = {model.name for model in models}
    return Repository(tuple(_with_steps(model, path / model.name, names) for model in models))


def _model(folder: Path, backends: Collection[str] | None, configured: bool) -> Model:
    config, problems = Config(), []
    file = folder / CONFIG
    if file.is_file():
        config = _read(file)
        problems += [f"{CONFIG}, {problem}" for problem in config.problems]
        if config.name and config.name != folder.name:
            problems.append(f'{CONFIG} says name: "{config.name}", and the folder is {folder.name}: they must be equal')
    elif configured:
        problems.append(f"there is no {CONFIG}, and this server is told to complete none")
    versions = tuple(sorted(int(child.name) for child in folder.iterdir() if _is_version(child)))
    backend = config.backend or _guessed(folder, versions)
    broken = bool(config.problems)
    if not broken:
        problems += _of_backend(folder, config, backend, versions, backends)
    return Model(folder.name, backend, versions, tuple(problems))


def _read(file: Path) -> Config:
    if file.stat().st_size > _LARGEST:
        return Config(problems=(f"it is larger than {_LARGEST >> 20} MB",))
    try:
        return read(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        return Config(problems=(f"it can't be read: {exc}",))


def _of_backend(
    folder: Path, config: Config, backend: str, versions: Sequence[int], backends: Collection[str] | None
) -> Iterator[str]:
    if backend == "ensemble":
        return  # its version folder is empty, which neither git nor S3 keeps: one is made when it starts
    if not versions:
        yield "there is no version folder (a whole number, such as 1/) with the model in it"
        return
    if not backend:
        yield f"nothing says which backend it is for: write backend into {CONFIG}"
        return
    if backends is not None and backend not in backends:
        instead = _INSTEAD.get(backend)
        either = f"{instead}, or a Docker group" if instead else "a Docker group"
        yield f"its backend {backend} is not in this server ({', '.join(sorted(backends))}): {either} has it"
        return
    missing = [version for version in config.versions if version not in versions]
    if missing:
        yield f"{CONFIG} asks for version {missing[0]}, and there are {', '.join(map(str, versions))}"
    wanted = (config.file,) if config.file else _FILES.get(backend, ())
    chosen = [version for version in versions if version in config.versions] or [max(versions)]
    for version in chosen if wanted else ():
        place = folder / str(version)
        present = [place / name for name in wanted if (place / name).exists()]
        if not present:
            yield f"{version}/{' or '.join(wanted)} is missing"
        elif backend == "python" and (problem := _python(present[0])):
            yield f"{version}/{present[0].name}{problem}"


def _python(file: Path) -> str:
    """Why a file is no Python model; empty where it looks like one."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError as exc:
        return f", line {exc.lineno}: {exc.msg}"
    except ValueError as exc:
        return f" can't be read: {exc}"
    names = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    imported = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                for alias in node.names}  # fmt: skip
    assigned = {target.id for node in ast.walk(tree) if isinstance(node, ast.Assign)
                for target in node.targets if isinstance(target, ast.Name)}  # fmt: skip
    if "TritonPythonModel" in names | imported | assigned or "*" in imported:
        return ""
    return " has no class TritonPythonModel"


def _with_steps(model: Model, folder: Path, names: Collection[str]) -> Model:
    """An ensemble calls models that have to be there."""
    if model.backend != "ensemble" or model.problems:
        return model
    missing = [name for name in _read(folder / CONFIG).steps if name not in names]
    if not missing:
        return model
    said = f"{CONFIG} calls {', '.join(missing)}, and the repository has no such model"
    return Model(model.name, model.backend, model.versions, (said,))


def _guessed(folder: Path, versions: Sequence[int]) -> str:
    """The backend that Triton takes where none is named: by the model's file."""
    for backend, names in _FILES.items():
        if any((folder / str(version) / name).exists() for version in versions for name in names):
            return backend
    return ""


def _is_version(path: Path) -> bool:
    return path.name.isdecimal() and path.name.isascii() and not path.name.startswith("0") and path.is_dir()
