"""Whether a file is what the service says it has: by its MD5 where the ETag is one, else by checksum headers."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from mlserve.storage.crew import share

_PLAIN = re.compile(r"[0-9a-f]{32}")
_PARTS = re.compile(r"[0-9a-f]{32}-([1-9][0-9]{0,4})")
_CHUNK = 1 << 20


def parts_of(etag: str) -> int:
    """In how many parts an object was uploaded, as its ETag says; 0: in one go, or it does not say."""
    found = _PARTS.fullmatch(_bare(etag))
    return int(found[1]) if found else 0


class Running:
    """The MD5 of what comes, taken as it comes: of no use once a byte came out of turn."""

    def __init__(self) -> None:
        self._state, self._at = hashlib.md5(usedforsecurity=False), 0

    def add(self, offset: int, data: bytes) -> None:
        """These bytes came; only one thread may say so."""
        if offset == self._at:
            self._state.update(data)
            self._at += len(data)

    def digest(self, size: int) -> bytes:
        """Of all the bytes; empty where not all of them came in turn."""
        return self._state.digest() if self._at == size else b""


def mistake(file: Path, etag: str, headers: Mapping[str, str], part_size: int = 0, md5: bytes = b"") -> str:
    """What is wrong with the file; empty where nothing is known to be.

    ``headers``: of the answer that brought it. ``md5``: of the file where it is known already, else it is read again.
    """
    if wanted := headers.get("content-md5", ""):
        return _differs("MD5", base64.b64encode(md5 or _md5(file)).decode(), wanted)
    if is_md5(etag, headers):
        return _differs("MD5", (md5 or _md5(file)).hex(), _bare(etag))
    if part_size and (count := parts_of(etag)):
        return _differs("MD5 of its parts", parts_etag(file, part_size, count), _bare(etag))
    for name, digest in _CHECKSUMS.items():
        wanted = headers.get(f"x-amz-checksum-{name}", "")
        if wanted and "-" not in wanted and headers.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT":
            return _differs(name.upper(), base64.b64encode(digest(file)).decode(), wanted)
    return ""


def is_md5(etag: str, headers: Mapping[str, str]) -> bool:
    """Whether the ETag is the MD5 of the bytes: not where a key encrypts them, nor for sure at OSS."""
    if headers.get("x-amz-server-side-encryption", "").startswith("aws:"):
        return False
    if any(name.startswith(("x-amz-server-side-encryption-customer", "x-oss-")) for name in headers):
        return False
    return bool(_PLAIN.fullmatch(_bare(etag)))


def parts_etag(file: Path, part_size: int, count: int) -> str:
    """The ETag of a file that was uploaded in parts of this size."""
    digests = [b""] * count

    def take(number: int) -> None:
        digests[number] = _md5(file, number * part_size, part_size)

    share(range(count), take, workers=4)
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{count}"


def _bare(etag: str) -> str:
    return etag.strip('"').lower()


def _differs(kind: str, found: str, wanted: str) -> str:
    return "" if found == wanted else f"its {kind} is {found}, not {wanted}"


def _md5(file: Path, start: int = 0, length: int | None = None) -> bytes:
    return _digest(file, hashlib.md5(usedforsecurity=False), start, length)


def _digest(file: Path, state: hashlib._Hash, start: int = 0, length: int | None = None) -> bytes:
    with file.open("rb", buffering=0) as reading:
        reading.seek(start)
        left = length
        while data := reading.read(_CHUNK if left is None else min(_CHUNK, left)):
            state.update(data)
            left = None if left is None else left - len(data)
    return state.digest()


def _crc32(file: Path) -> bytes:
    value = 0
    with file.open("rb", buffering=0) as reading:
        while data := reading.read(_CHUNK):
            value = zlib.crc32(data, value)
    return value.to_bytes(4, "big")


_CHECKSUMS: Mapping[str, Callable[[Path], bytes]] = {
    "sha256": lambda file: _digest(file, hashlib.sha256()),
    "sha1": lambda file: _digest(file, hashlib.sha1(usedforsecurity=False)),
    "crc32": _crc32,
}
