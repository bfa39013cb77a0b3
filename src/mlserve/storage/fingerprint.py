"""What files that are used in place are, in a word: by their bytes, or where those are many, by size and time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from mlserve.errors import InvalidInput
from mlserve.storage.manifest import Entry, Source, digest, scan
from mlserve.storage.placing import sha256_of

READ_AT_MOST = 256_000_000
"""Bytes that are read to know them; of more only names, sizes and times are looked at."""


def fingerprint(path: Path) -> str:
    """``sha256:…`` as the content store has it, or ``stat:…``; empty for what can't be read."""
    try:
        sources = scan(path)
        if sum(source.size for source in sources) > READ_AT_MOST:
            return _by_time(sources)
        return digest(Entry(one.path, sha256_of(one.file), one.size, one.executable) for one in sources)
    except (InvalidInput, OSError):
        return ""


def _by_time(sources: list[Source]) -> str:
    seen = [(one.path, one.size, one.file.stat().st_mtime_ns) for one in sources]
    return f"stat:{hashlib.sha256(json.dumps(seen).encode()).hexdigest()}"
