"""Which formats can be converted, read from their files without importing them, and what tells two models apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mlserve.descriptor import Descriptor
from mlserve.engines.constants import constants

_CONSTANTS = ("REQUIREMENTS", "VERSION", "EVIDENCE")


@dataclass(frozen=True, slots=True)
class Convertible:
    """One format: the processor it is named after, what its conversion needs on top, and its own version."""

    name: str
    requirements: tuple[str, ...]
    version: str
    evidence: bytes = b""

    def brings_evidence(self, model: Path) -> bool:
        """The model's file holds questions with their answers, so that the native library need not be asked."""
        return bool(self.evidence) and any(self.evidence in file.read_bytes() for file in _files(model))


@cache
def convertible() -> Mapping[str, Convertible]:
    """Every format by its processor's name: a file of `mlserve/conversion/formats`."""
    folder = Path(__file__).parent.parent / "conversion" / "formats"
    return {path.stem: _read(path) for path in sorted(folder.glob("*.py")) if path.stem != "__init__"}


def fingerprint(form: Convertible, descriptor: Descriptor, paths: Mapping[str, str]) -> str:
    """The same for what would be converted to the same; reads all of the model."""
    told = hashlib.sha256(
        json.dumps([form.name, form.version, form.requirements, descriptor.model_entry, descriptor.config], default=str)
        .encode()
    )  # fmt: skip
    for pointer in ("/model_path", "/processor_path", "/warm_up_data_path"):
        for file in _files(Path(paths[pointer])) if pointer in paths else ():
            told.update(f"{pointer} {file.relative_to(Path(paths[pointer]).parent)}".encode())
            with file.open("rb") as content:
                told.update(hashlib.file_digest(content, "sha256").digest())
    return told.hexdigest()[:40]


def size(model: Path) -> int:
    """Bytes of all its files."""
    return sum(file.stat().st_size for file in _files(model))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    yield from sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _read(path: Path) -> Convertible:
    values = constants(path, _CONSTANTS)
    return Convertible(path.stem, tuple(values["REQUIREMENTS"]), values["VERSION"], values.get("EVIDENCE") or b"")
