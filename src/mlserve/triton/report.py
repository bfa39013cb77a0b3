"""Tell the backend how the start goes: JSON lines in the file that ``MLSERVE_REPORT`` names, or among the output."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

_OUTPUT, _RECORD = "-", b"\x1e"
"""Where the report is to go among the output, each of its lines begins with the separator of JSON records."""


class Report:
    """Appends to the report; does nothing where nobody asked for one."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    def phase(self, name: str, state: str) -> None:
        """A phase has begun (``running``) or ended (``done``)."""
        self._write({"phase": name, "state": state, "at": time.time()})

    def ready(self) -> None:
        """From now on the server is to be asked."""
        self._write({"phase": "ready", "at": time.time()})

    def facts(self, facts: Mapping[str, Any]) -> None:
        """What is really in force."""
        self._write({"facts": dict(facts)})

    def failure(self, phase: str, cause: str, reason: str, hint: str, frames: Sequence[Mapping[str, Any]] = ()) -> None:
        """Why it can't start; trying again would not help."""
        told = {"phase": phase, "cause": cause, "reason": reason, "hint": hint, "retryable": False}
        self._write({"failure": {**told, "exception": None, "frames": list(frames), "versions": {}}})

    def _write(self, entry: Mapping[str, Any]) -> None:
        if not self._path:
            return
        line = json.dumps(entry).encode() + b"\n"
        if self._path == _OUTPUT:
            os.write(sys.stdout.fileno(), _RECORD + line)  # one write each: lines of two processes never mix
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
