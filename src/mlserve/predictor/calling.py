"""Ask other services from inside an instance: by the address and token that the hub keeps for it in a file.

The file is read again when it was replaced, so that a token which is renewed is sent from the next request on.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlserve.errors import MlserveError

VARIABLE = "MLSERVE_CALLS"
"""The file's path; there in instances of services whose descriptor has ``calls``."""


@dataclass(frozen=True, slots=True)
class _Told:
    gateway: str
    token: str = field(repr=False)


class Calls:
    """What one instance may ask by; safe to share between threads. Raises MlserveError where that can't be read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._mark: tuple[int, int, int] | None = None
        self._told = _Told("", "")

    @property
    def token(self) -> str:
        """As it is now."""
        return self._current().token

    def endpoint(self, service: str) -> str:
        """Where a service or group is asked."""
        gateway = self._current().gateway
        if not gateway:
            raise MlserveError(
                f"{service} can't be asked from here: this instance can't reach the gateway",
                hint="its resource group wants --option gateway=http://HOST:PORT",
            )
        return f"{gateway}/api/predict/{service}"

    def _current(self) -> _Told:
        """What was read last stays while the file is not there: its version is about to end."""
        with self._lock:
            try:
                found = os.stat(self._file)
                mark = found.st_mtime_ns, found.st_ino, found.st_size
                if mark != self._mark:
                    said = json.loads(self._file.read_bytes())
                    self._told, self._mark = _Told(str(said["gateway"]), str(said["token"])), mark
            except (OSError, ValueError, KeyError, TypeError) as exc:
                if self._mark is None:
                    raise MlserveError(
                        f"{VARIABLE} names {self._file}, which can't be read: {exc}",
                        hint="mlserve sets it in instances whose descriptor has calls; elsewhere leave it unset",
                    ) from exc
            return self._told


def calls_of(environment: Mapping[str, str] = os.environ) -> Calls | None:
    """What this process may ask by; None where it is no instance that may."""
    path = environment.get(VARIABLE)
    return Calls(Path(path)) if path else None
