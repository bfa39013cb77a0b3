"""PyTorch: TorchScript and torch.export programs, and what torch.save pickles, which is no program."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from mlserve.inspection.danger import dangerous
from mlserve.inspection.finding import Finding, damaged
from mlserve.inspection.machine import Broken, Trace
from mlserve.inspection.opcodes import follow
from mlserve.inspection.streams import Bounded, TooMuch

ORDER = 9
SUFFIXES = (".pt", ".pth", ".pt2", ".ts")
_MAX_TEXT = 64 << 20
_MAX_PICKLE = 256 << 20
_TYPES = {1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
          12: "bool", 13: "bfloat16"}  # fmt: skip
_GAP = rb"(?:\s|\\|#[^\n]*)*"
_FILES = re.compile(rb"\." + _GAP + rb"(save|load|from_file|read_file|write_file|system)\b")
"""Names by which a TorchScript program reaches files, however its text is spaced; it has no way to Python."""
_BY_TEXT = re.compile(rb"\bgetattr\b" + _GAP + rb"(?:\(([^,()]*),\s*\"([\w.]*)\"\))?")
"""A name given as text, as PyTorch itself writes the members of a Sequential: ``getattr(self, "0")``."""
_EVALUATED = (
    "a torch.export file can run code when it is read: PyTorch evaluates expressions in it and unpickles example inputs"
)
_WEIGHTS = "written by torch.save: weights or a pickled class, and no program. Export it with torch.export.save"


def matches(head: bytes, suffix: str) -> bool:
    """By suffix."""
    return suffix in SUFFIXES


def read(path: Path) -> Finding:
    """What a PyTorch file says."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except zipfile.BadZipFile as exc:
        with path.open("rb") as file:
            head = file.read(2)
        if head[:1] == b"\x80":
            return Finding(framework="torch", runs_code="a pickle can run code when it is read", notes=(_WEIGHTS,))
        return damaged("pytorch", f"it is not a whole PyTorch file: {str(exc)[:100]}")
    except (zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError) as exc:
        return damaged("pytorch", f"it is not a whole PyTorch file: {str(exc)[:100]}")


def _read(archive: zipfile.ZipFile) -> Finding:
    names = {name.partition("/")[2]: name for name in archive.namelist()}
    if "constants.pkl" in names:
        calls = sorted(_calls(archive))
        return Finding(
            format="pytorch",
            framework="torch",
            facts={"kind": "TorchScript"},
            dangerous=tuple(calls),
            runs_code=f"its program has operations that reach files ({', '.join(calls)})" if calls else "",
            notes=("TorchScript: its inputs' types and shapes go into model_config.inputs",),
        )
    models = sorted(name for name in names if name.startswith("models/") and name.endswith(".json"))
    if models:
        return _exported(archive, names[models[0]])
    if "data.pkl" in names:
        return _pickled(archive, names["data.pkl"])
    return Finding(notes=("a zip archive without a PyTorch program",))


def _calls(archive: zipfile.ZipFile) -> set[str]:
    """What a TorchScript program calls that reaches files; a text too large to be searched counts as one.

    PyTorch finds the files of an archive whatever their names' case.
    """
    code = [item for item in archive.infolist() if item.filename.lower().endswith(".py")]
    if sum(item.file_size for item in code) > _MAX_TEXT:
        return {"too much code to be looked into"}
    return {name for item in code for name in _named_in(archive.read(item))}


def _named_in(text: bytes) -> Iterator[str]:
    yield from (match.decode() for match in _FILES.findall(text))
    for match in _BY_TEXT.finditer(text):
        if match[2] is None or _FILES.fullmatch(b"." + match[2]):
            yield "getattr"


def _exported(archive: zipfile.ZipFile, model: str) -> Finding:
    if archive.getinfo(model).file_size > _MAX_TEXT:
        return Finding(format="pytorch", framework="torch", runs_code=_EVALUATED, facts={"kind": "torch.export"})
    try:
        graph = json.loads(archive.read(model))
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc
    return Finding(
        format="pytorch",
        framework="torch",
        inputs=tuple(_inputs(graph)),
        runs_code=_EVALUATED,
        facts={"kind": "torch.export", "saved_with": f"torch {_at(graph, 'torch_version') or ''}".strip()},
    )


def _inputs(graph: Any) -> Iterator[dict[str, Any]]:
    module = _at(graph, "graph_module")
    values = _at(module, "graph", "tensor_values")
    for item in _list(_at(module, "signature", "input_specs")):
        name = _at(item, "user_input", "arg", "as_tensor", "name")
        meta = _at(values, name) if isinstance(name, str) else None
        if isinstance(name, str) and isinstance(meta, dict):
            sizes = [_at(size, "as_int") for size in _list(meta.get("sizes"))]
            kind = meta.get("dtype")
            yield {
                "name": name,
                "type": _TYPES.get(kind, "undefined") if isinstance(kind, int) else "undefined",
                "shape": [size if isinstance(size, int) and size > 0 else -1 for size in sizes],
            }


def _pickled(archive: zipfile.ZipFile, name: str) -> Finding:
    """The names that the pickle would import; its tensors lie beside it in the archive."""
    trace, notes, problems = Trace(), [_WEIGHTS], list[str]()
    if archive.getinfo(name).file_size > _MAX_PICKLE:
        return Finding(framework="torch", runs_code="a pickle can run code when it is read", notes=(_WEIGHTS,))
    try:
        follow(Bounded(BytesIO(archive.read(name)), seconds=4.0), trace)
    except TooMuch:
        notes.append("too large to be read to its end: only its beginning is known")
    except Broken as exc:
        problems.append(f"it is not a whole pickle: {exc}")
    found = dangerous(trace.imports)
    return Finding(
        framework="torch",
        modules=tuple(sorted({module for module, _ in trace.imports})),
        dangerous=(*found, "a name that it computes") if trace.hidden else found,
        runs_code="a pickle can run code when it is read",
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _at(owner: Any, *names: str) -> Any:
    for name in names:
        owner = owner.get(name) if isinstance(owner, dict) else None
    return owner


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
