"""Pick the scheme of an address and fetch it: all of it under its final name, or nothing."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import pkgutil
import shutil
from pathlib import Path
from types import ModuleType
from typing import cast
from urllib.parse import urlsplit

from mlserve.errors import FetchFailed, InvalidInput
from mlserve.storage.base import FetchOptions, Progress, Scheme
from mlserve.storage.disk import names_full_disk
from mlserve.storage.names import redacted

GROUP = "mlserve.storage"


def fetch(uri: str, dest: Path, *, options: FetchOptions | None = None, progress: Progress | None = None) -> Path:
    """Bring what ``uri`` names to the directory ``dest``, which must not exist yet or be empty; archives are unpacked.

    Returns ``dest/<name>`` for a single file, ``dest`` for a folder or archive, the path itself for ``file://``, which
    is used in place. Blocks; call it in a thread. After a failure ``dest`` is as it was, and a download that broke off
    is gone on with at the next call. Raises InvalidInput (no such scheme), FetchFailed, NoCapacity (full disk).
    """
    scheme, dest = find(uri), dest.absolute()
    if dest.exists() and any(dest.iterdir()):
        raise FetchFailed(f"{dest} is not empty", hint="fetch into a folder of its own")
    staging = dest.with_name(f".{dest.name}.fetching")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        with names_full_disk(redacted(uri), dest.parent):
            staging.mkdir(parents=True)
            found = scheme.fetch(uri, staging, options or FetchOptions(), progress or _silent)
            if not found.is_relative_to(staging):
                return found
            os.replace(staging, dest)
            return dest / found.relative_to(staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check(uri: str, options: FetchOptions | None = None) -> None:
    """See within seconds whether ``uri`` names something that may be fetched, where its scheme can tell so soon.

    Raises FetchFailed with the code ``no-credentials``, ``denied``, ``missing-bucket``, ``missing``, ``unreachable``, …
    """
    look = getattr(find(uri), "check", None)
    if look is not None:
        look(uri, options or FetchOptions())


def mark(uri: str, options: FetchOptions | None = None) -> str:
    """A word for what ``uri`` names now, which is another one once the files are; empty where its scheme can't tell.

    Told within seconds, unless a server says nothing of a file but its bytes. Raises FetchFailed.
    """
    look = getattr(find(uri), "mark", None)
    return str(look(uri, options or FetchOptions())) if look else ""


def put(path: Path, uri: str, *, options: FetchOptions | None = None, progress: Progress | None = None) -> str:
    """Write a file or folder to ``uri``; the address by which it is fetched again. Blocks.

    Raises InvalidInput where nothing can be written to such an address, FetchFailed (its code says why).
    """
    write = getattr(find(uri), "put", None)
    if write is None:
        raise InvalidInput(f"nothing can be uploaded to {redacted(uri)}", hint="name an s3:// or oss:// address")
    return str(write(path, uri, options or FetchOptions(), progress or _silent))


def find(uri: str) -> Scheme:
    """The scheme that answers to an address: one of this package's files, else an installed entry point."""
    try:
        word = urlsplit(uri).scheme.partition("+")[0]
    except ValueError as exc:
        raise InvalidInput(f"not an address: {redacted(uri)} ({exc})", hint="check it for brackets and spaces") from exc
    ours = [module for module in _modules() if word in module.SCHEMES]
    if ours:
        return cast(Scheme, ours[0])
    theirs = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if word in theirs:
        return cast(Scheme, theirs[word].load())
    words = sorted({*theirs, *(word for module in _modules() for word in module.SCHEMES)})
    raise InvalidInput(
        f'no storage scheme "{word}" for {redacted(uri)} (schemes: {", ".join(words)})',
        hint="use one of these, or a path on this machine",
    )


def _modules() -> list[ModuleType]:
    package = __name__.rpartition(".")[0]
    names = [item.name for item in pkgutil.iter_modules(importlib.import_module(package).__path__)]
    modules = [importlib.import_module(f"{package}.{name}") for name in names]
    return [module for module in modules if hasattr(module, "SCHEMES")]


def _silent(_done: int, _total: int | None) -> None:
    """Nobody watches."""
