"""What a Python model's process needs: without it the server would wait for ever, and never say for what."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlserve.triton.server import Server


class Unfit(Exception):
    """The server can't run here."""

    def __init__(self, cause: str, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.cause, self.reason, self.hint = cause, reason, hint


def require(server: Server) -> None:
    """Raises Unfit for what is missing."""
    if shutil.which("bash") is None:
        raise Unfit("missing-library", "there is no bash, with which the server starts Python models", "install bash")
    if server.stub is not None and (missing := _unresolved(server)):
        raise Unfit(
            "missing-library",
            f"the process of Python models can't start: {missing} is not on this machine",
            "install Python with its shared library (apt: libpython3-dev), or use a Docker group",
        )


def _unresolved(server: Server) -> str:
    """The shared library that the stub lacks; empty: it has all. Its own loader says so, and starts nothing of it."""
    path = ":".join([*map(str, server.libraries), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])
    environ = {**os.environ, "LD_LIBRARY_PATH": path, "LD_TRACE_LOADED_OBJECTS": "1"}
    told = subprocess.run([str(server.stub)], env=environ, capture_output=True, text=True, timeout=20, check=False)
    missing = [line.split("=>")[0].strip() for line in told.stdout.splitlines() if "not found" in line]
    return ", ".join(missing)
