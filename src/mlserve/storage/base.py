"""What a storage scheme has to offer, and what all of them are told. Words only: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mlserve.storage.cache import Cache
    from mlserve.storage.content import ContentStore

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes there will be (None: nobody knows)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an address may bring: a small archive must not fill the disk."""

    max_files: int = 100_000
    max_bytes: int = 1 << 40
    max_ratio: int = 200
    """Unpacked bytes per packed byte, looked at once more than ``ratio_from`` bytes came out."""
    ratio_from: int = 1 << 30


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How to fetch; the defaults suit a hub that fetches by itself."""

    endpoint: str | None = None
    """Of an S3-compatible service (a descriptor's ``oss_endpoint``); None: the usual AWS variables and profile."""
    credentials: Mapping[str, str] = field(default_factory=dict)
    """AWS_… or OSS_… variables of a resource group; they win over the process's own environment."""
    connect_seconds: float = 10.0
    stall_seconds: float = 30.0
    """Give up when no byte has come for so long."""
    total_seconds: float = 6 * 3600.0
    tries: int = 4
    """How often a broken transfer is taken up again."""
    limits: Limits = Limits()
    cache: Cache | None = None
    """Where what was fetched is kept for the next time; None: nowhere."""
    uploads: ContentStore | None = None
    """Where ``content://`` addresses lead."""
    linked: bool = False
    """The result may share its bytes with the cache: nobody will ever write to it."""


class Scheme(Protocol):
    """One kind of address. A scheme is a module with ``SCHEMES`` (the words it answers to) and these functions.

    Where it can, it also has ``check(uri, options)``, which raises FetchFailed within seconds for what can't be
    fetched, and ``put(path, uri, options, progress)``, which returns the address that fetches the files again.
    """

    SCHEMES: tuple[str, ...]

    def fetch(self, uri: str, dest: Path, options: FetchOptions, progress: Progress) -> Path:
        """Put what ``uri`` names into the empty directory ``dest``; archives come out unpacked.

        Returns the one file or the directory: inside ``dest``, or where it lies if it is used in place.
        Raises FetchFailed or NoCapacity (full disk), with no secret of ``uri`` in the text.
        """
