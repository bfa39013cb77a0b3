"""Check the model repositories of a version before anything is started for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlserve.descriptor import Descriptor
from mlserve.engines.triton.wishes import Wished, wished
from mlserve.errors import Detail, InvalidInput
from mlserve.inspection import Finding
from mlserve.inspection.repository import Model, look

LOCAL_BACKENDS = ("python", "ensemble")
"""What the server of the wheel has."""
_SHOWN = 20


def is_of_repositories(descriptor: Descriptor) -> bool:
    """Whether a descriptor's models come in repositories."""
    return descriptor.processor == "triton"


def examine_repositories(
    descriptor: Descriptor, paths: Mapping[str, str], backends: Sequence[str] | None = LOCAL_BACKENDS
) -> Finding:
    """What the repositories hold; raises InvalidInput where no model of theirs can be loaded, or one where all must."""
    asked = wished(descriptor, lenient=True)
    models: list[Model] = []
    for pointer in asked.repositories:
        if pointer in paths:
            models += _models(pointer, Path(paths[pointer]), backends, asked)
    models = list(_unique(models))
    broken = [model for model in models if model.problems]
    wanted = _wanted(asked)
    missing = sorted(wanted - {model.name for model in models}) if not asked.read_by_server else []
    if missing:
        raise _refusal([f"--load-model={name}: the repository has no such model" for name in missing])
    needed = [model for model in models if model.name in wanted] if wanted else models
    lost = [model for model in needed if model.problems]
    if lost and (asked.strict or len(lost) == len(needed)):
        raise _refusal(list(_said(lost)))
    if not models and not asked.read_by_server:
        raise _refusal(["the model repository is empty: it holds a folder for each model"])
    names = ", ".join(f"{model.name} ({model.backend})" for model in models if not model.problems)
    return Finding(format="triton", notes=tuple([*([names] if names else []), *_said(broken)][:_SHOWN]))


def _models(pointer: str, path: Path, backends: Sequence[str] | None, asked: Wished) -> Sequence[Model]:
    configured = any(word in asked.kept for word in ("--disable-auto-complete-config", "--strict-model-config=true"))
    found = look(path, backends, configured=configured)
    if found.problems:
        raise _refusal(found.problems, pointer)
    return found.models


def _unique(models: Sequence[Model]) -> Iterator[Model]:
    """A model that is in two repositories is served from neither."""
    counted = Counter(model.name for model in models)
    for model in models:
        if counted[model.name] == 1:
            yield model
        else:
            said = "two of the repositories have a model of this name: then neither is served"
            yield Model(model.name, model.backend, model.versions, (said,))


def _wanted(asked: Wished) -> set[str]:
    """The models to be loaded at the start; empty: all of them."""
    names = {word.partition("=")[2] for word in asked.kept if word.startswith("--load-model=")}
    return set() if "*" in names else names


def _said(models: Sequence[Model]) -> Iterator[str]:
    for model in models:
        yield f"model {model.name}: {'; '.join(model.problems)}"


def _refusal(problems: Sequence[str], pointer: str = "") -> InvalidInput:
    details: list[Detail] = [{"cause": "corrupt-model"}]
    if pointer:
        details[0]["pointer"] = pointer
    more = "; …" if len(problems) > _SHOWN else ""
    return InvalidInput(
        "; ".join(problems[:_SHOWN]) + more,
        hint="a repository is MODEL/config.pbtxt and MODEL/1/model.py (or the file of another backend) for each model",
        details=details,
    )
