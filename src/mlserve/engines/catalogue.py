"""The processors our runtime has, read from their files without importing them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlserve.descriptor.repositories import ENGINES
from mlserve.engines.constants import constants
from mlserve.engines.eas import foreign
from mlserve.errors import InvalidDescriptor

_CONSTANTS = ("REQUIREMENTS", "GPU_REQUIREMENTS", "CHOICES", "SUFFIXES", "MARKERS", "ALIASES")


@dataclass(frozen=True, slots=True)
class ProcessorEntry:
    """One model format: its processor's name, the packages it needs, its file suffixes, the EAS names it answers to."""

    name: str
    requirements: tuple[str, ...]
    suffixes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    """Names of files that make a folder a model of this format."""
    gpu_requirements: tuple[str, ...] = ()
    """In place of the others where a GPU is asked for; empty: the same packages use it."""
    choices: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Key of model_config → its word → more requirements; ``""`` is the word where the key is not set."""

    def needs(self, *, gpu: bool, config: Any) -> tuple[str, ...]:
        """The packages for a service with this model_config."""
        told = config if isinstance(config, dict) else {}
        words = [(options, str(told.get(key) or "")) for key, options in self.choices.items()]
        more = [requirement for options, word in words for requirement in options.get(word, ())]
        return (*(self.gpu_requirements if gpu and self.gpu_requirements else self.requirements), *more)


@cache
def catalogue() -> Mapping[str, ProcessorEntry]:
    """Every processor by name: a file of `mlserve/runtime/processors`, or an entry point of other people's packages."""
    here = Path(__file__).parent.parent / "runtime" / "processors"
    files = {path.stem: path for path in sorted(here.glob("*.py")) if path.stem not in ("__init__", "base")}
    for point in entry_points(group="mlserve.runtime.processors"):
        spec = find_spec(point.module)
        if spec and spec.origin:
            files.setdefault(point.name, Path(spec.origin))
    entries = {name: _read(name, path) for name, path in files.items()}
    return {name: entry for name, entry in entries.items() if entry}


def find(word: str) -> ProcessorEntry | None:
    """The processor a descriptor's word means, EAS's names included; None where this hub has no such."""
    known = catalogue()
    if word in known:
        return known[word]
    return next((entry for entry in known.values() if any(re.fullmatch(alias, word) for alias in entry.aliases)), None)


def resolve(word: str) -> ProcessorEntry:
    """The same; raises InvalidDescriptor with the choices."""
    found, known = find(word), catalogue()
    if found:
        return found
    if known_elsewhere := foreign(word):
        raise _foreign(word, *known_elsewhere)
    words = sorted([*known, *ENGINES])
    nearest = difflib.get_close_matches(word, words, n=1)
    message = f'processor "{word}" is not one that this hub has (processors: {", ".join(words)})'
    detail = {"pointer": "/processor", "code": "unsupported", "message": message}
    raise InvalidDescriptor(
        message,
        hint=f'did you mean "{nearest[0]}"?'
        if nearest
        else "choose one of these, or serve your own code with processor_type python",
        details=[detail | ({"nearest": nearest[0]} if nearest else {})],
    )


def _foreign(word: str, what: str, instead: str) -> InvalidDescriptor:
    message = f'processor "{word}" of EAS is {what}: nothing here serves it'
    detail = {"pointer": "/processor", "code": "unsupported", "message": message}
    return InvalidDescriptor(message, hint=instead, details=[detail])


def _read(name: str, path: Path) -> ProcessorEntry | None:
    values = constants(path, _CONSTANTS)
    if "REQUIREMENTS" not in values:
        return None
    return ProcessorEntry(
        name,
        values["REQUIREMENTS"],
        suffixes=values.get("SUFFIXES", ()),
        aliases=values.get("ALIASES", ()),
        markers=values.get("MARKERS", ()),
        gpu_requirements=values.get("GPU_REQUIREMENTS", ()),
        choices=values.get("CHOICES", {}),
    )
