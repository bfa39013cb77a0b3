"""The hub's home directory: its format, its permissions, and the lock that says whose it is."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import Any

from mlserve.context import HOME_FORMAT
from mlserve.errors import HubStartFailed

_ROOM = 512 * 1024
"""Bytes that a start needs at least, with those of the gateway."""


class Home:
    """`$MLSERVE_HOME`, opened by the one hub that may write to it.

    Raises HubStartFailed where it can't be used: no permission, another hub's, written by a newer mlserve.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._make()
        self._lock = self._take_lock()
        self._check_format()

    @property
    def hub(self) -> str:
        """The id that instances of this home carry, at places where those of other hubs may be; it never changes."""
        known = self.read("home.json")
        if not known.get("hub"):
            known["hub"] = secrets.token_hex(8)
            self.write_private("home.json", known)
        return str(known["hub"])

    @property
    def secret(self) -> str:
        """Of which everything is made by which instances know this home's gateway; it never changes."""
        known = self.read("home.json")
        if not known.get("secret"):
            known["secret"] = secrets.token_hex(32)
            self.write_private("home.json", known)
        return str(known["secret"])

    def publish(self, *, url: str, token: str, gateway: str) -> None:
        """Write hub.json, by which clients of this user find the hub (mode 0600)."""
        self.write_private("hub.json", {"url": url, "token": token, "pid": os.getpid(), "gateway": gateway})

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of the home; empty where there is none."""
        try:
            data = json.loads((self.path / name).read_text())
        except (FileNotFoundError, IsADirectoryError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def write_private(self, name: str, data: dict[str, Any]) -> None:
        """Write a JSON file that only this user can read, whole or not at all."""
        temporary = self.path / f".{name}.{os.getpid()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self.path / name)

    def close(self) -> None:
        """Let the home go; the next hub may take it."""
        os.close(self._lock)

    def _make(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.stat().st_mode & 0o077:
                self.path.chmod(0o700)
            probe = self.path / f".probe.{os.getpid()}"
            try:
                probe.write_bytes(bytes(_ROOM))
            finally:
                probe.unlink(missing_ok=True)
        except OSError as exc:
            raise self._unusable(exc) from exc

    def _unusable(self, error: OSError) -> HubStartFailed:
        return HubStartFailed(
            f"the hub can't write to its home {self.path}: {error.strerror}",
            hint="give this user the directory, free some disk, or set MLSERVE_HOME to another one",
        )

    def _take_lock(self) -> int:
        # Python opens files non-inheritable, so no instance keeps the lock of a hub that died.
        try:
            descriptor = os.open(self.path / "hub.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise self._unusable(exc) from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(descriptor)
            pid = self.read("hub.json").get("pid", "unknown")
            raise HubStartFailed(
                f"another hub (pid {pid}) already serves from {self.path}",
                hint="mlserve hub status shows it, mlserve hub stop ends it",
            ) from exc
        return descriptor

    def _check_format(self) -> None:
        found = self.read("home.json").get("format")
        if found is None:
            self.write_private("home.json", {"format": HOME_FORMAT})
        elif found != HOME_FORMAT:
            raise HubStartFailed(
                f"the home {self.path} has format {found}; this mlserve reads format {HOME_FORMAT}",
                hint="use the mlserve that wrote it, or set MLSERVE_HOME to another directory",
            )
