"""Bring what an address names to the hub's machine, and keep it: a version stays what it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlserve import storage
from mlserve.hub.records import Version

Say = Callable[[str], None]
"""Told how far it is, in a few words."""


Credentials = Callable[[Version], Mapping[str, str]]
"""The storage credentials of the resource group that a version is for."""


def no_credentials(_: Version) -> Mapping[str, str]:
    """Those of the hub's own environment have to do."""
    return {}


def unheard(_: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches into the content store, by way of the cache of this host."""

    content: storage.ContentStore
    cache: storage.Cache | None = None

    def fetch(self, uri: str, options: storage.FetchOptions, landing: Path, say: Say = unheard) -> Path:
        """Where it is now; ``file://`` is used in place. Blocks. Raises as `storage.fetch` does."""
        landing.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(landing, ignore_errors=True)
        options = replace(options, cache=self.cache, uploads=self.content, linked=True)
        found = storage.fetch(uri, landing, options=options, progress=storage.Meter(say))
        if not found.is_relative_to(landing):
            return found
        kept = self.content.add(found, ours=True)
        shutil.rmtree(landing, ignore_errors=True)
        return self.content.open(kept.digest, kept.name)

    def trim(self) -> None:
        """Keep the cache within its bound."""
        if self.cache:
            self.cache.trim()
