"""What a version is made of, each part by a digest. Pure but for reading files that are used in place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlserve import storage

_MODEL = ("model_path", "processor_params")
_CODE = ("processor_path",)


def files(content: storage.ContentStore, paths: Mapping[str, str]) -> dict[str, str]:
    """Pointer → digest of its files, the content store's own name of them; what is used in place is read. Blocks."""
    found = {key: content.holder(Path(path)) or storage.fingerprint(Path(path)) for key, path in paths.items()}
    return {key: digest for key, digest in found.items() if digest}


def parts(digests: Mapping[str, str], environment: str) -> dict[str, str | None]:
    """Of the model, of the code, of what they run in; None where it has no such part, or it is not known yet."""
    return {
        "model": _together(digests, _MODEL),
        "code": _together(digests, _CODE),
        "environment": environment or None,
    }


def of_packages(packages: Iterable[str], interpreter: str) -> str:
    """The digest of an environment: these packages, each in its version, on this Python."""
    return _sha256([*sorted(packages), interpreter])


def _together(digests: Mapping[str, str], names: Iterable[str]) -> str | None:
    """The digest of the one field of that name; of a pipeline, of all its steps together."""
    mine = {pointer: digests[pointer] for pointer in sorted(digests) if set(pointer.split("/")) & set(names)}
    return next(iter(mine.values())) if len(mine) == 1 else _sha256(mine) if mine else None


def _sha256(value: object) -> str:
    return f"sha256:{hashlib.sha256(json.dumps(value).encode()).hexdigest()}"
