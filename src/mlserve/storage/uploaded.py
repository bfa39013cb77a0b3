"""``content://sha256:…/name``: what ``mlserve upload`` has put into the hub's content store; used in place."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

from mlserve.errors import NotFound
from mlserve.storage.base import FetchOptions, Progress
from mlserve.storage.failure import failed
from mlserve.storage.names import unsafe

SCHEMES = ("content",)

_ADDRESS = re.compile(r"content://(?P<digest>sha256:[0-9a-f]{64})/(?P<name>[^/?#]+)")


def address_of(digest: str, name: str) -> str:
    """How a descriptor names something of the content store."""
    return f"content://{digest}/{quote(name)}"


def parse(uri: str) -> tuple[str, str]:
    """Digest and name; raises FetchFailed (``invalid``)."""
    found = _ADDRESS.fullmatch(uri)
    name = unquote(found["name"]) if found else ""
    if found is None or "/" in name or name == "." or unsafe(name):
        raise failed(uri, "invalid", "it is no address of uploaded files", "use the one that mlserve upload printed")
    return found["digest"], name


def fetch(uri: str, dest: Path, options: FetchOptions, progress: Progress) -> Path:
    """The files themselves, never a copy."""
    digest, name = parse(uri)
    try:
        if options.uploads is not None:
            return options.uploads.open(digest, name)
    except NotFound as exc:
        raise _gone(uri) from exc
    raise _gone(uri)


def mark(uri: str, options: FetchOptions) -> str:
    """The digest itself: what it names never changes."""
    return parse(uri)[0]


def check(uri: str, options: FetchOptions) -> None:
    """Whether the files are still there."""
    digest, _ = parse(uri)
    try:
        if options.uploads is not None:
            options.uploads.path(digest)
            return
    except NotFound as exc:
        raise _gone(uri) from exc
    raise _gone(uri)


def _gone(uri: str) -> Exception:
    why = "this hub's store does not have it (any more)"
    return failed(uri, "missing", why, "mlserve upload PATH sends it again and prints its address")
