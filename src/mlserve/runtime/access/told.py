"""What opens the service, from the file that the hub keeps for its instances; a change is seen by the next request."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from mlserve.runtime.report import log


@dataclass(frozen=True, slots=True)
class Told:
    """Nothing of it opens anything while it is empty: a file that can't be read lets nobody in."""

    token: bytes = field(default=b"", repr=False)
    """The service's own."""
    groups: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The token of each group at whose address requests come here, too; what is signed with it names the group."""
    public: bool = False
    gateway: bytes = field(default=b"", repr=False)
    """By which the gateway is known: it has looked at the request's token already."""
    issuer: str = ""
    """Of tokens that the hub issued."""
    keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Their public keys (JWK) by id."""
    revoked: frozenset[str] = frozenset()
    limited: frozenset[str] = frozenset()
    """Tokens whose requests the gateway counts, and nobody else."""


class Source:
    """The file, read again when it was replaced. One that has gone leaves what was last told: the hub may be away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark: tuple[int, int, int] | None = None
        self._told = Told()
        self.current()

    @property
    def last(self) -> Told:
        """As it was read last."""
        return self._told

    def current(self) -> Told:
        """As it is now."""
        try:
            found = os.stat(self._path)
            mark = found.st_ctime_ns, found.st_ino, found.st_size  # not its mtime, which may come with the file
            if mark != self._mark:
                self._told, self._mark = _read(self._path), mark
        except (OSError, ValueError, KeyError, TypeError) as exc:
            if self._mark is None:
                log("access-unknown", file=str(self._path), reason=f"{type(exc).__name__}: {exc}")
        return self._told


def _read(path: Path) -> Told:
    said = orjson.loads(path.read_bytes())
    keys = [dict(key) for key in said["keys"]]
    return Told(
        token=str(said["token"]).encode(),
        groups={str(name): str(token).encode() for name, token in said.get("groups", {}).items()},
        public=bool(said["public"]),
        gateway=str(said["gateway"]).encode(),
        issuer=str(said["issuer"]),
        keys={str(key["kid"]): key for key in keys},
        revoked=frozenset(said["revoked"]),
        limited=frozenset(said["limited"]),
    )
