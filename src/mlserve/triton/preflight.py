"""What a Python model's process needs: without it the server would wait for ever, and never say for what."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlserve.triton.server import Server


class Unfit(Exception):
    """The server can't run here."""

    def __init__(self, cause: str, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.cause, self.reason, self.hint = cause, reason, hint


def require(server: Server, arguments: Sequence[str]) -> None:
    """Raises Unfit for what is missing, and for options that this server hasn't: an image may hold any version."""
    if shutil.which("bash") is None:
        raise Unfit("missing-library", "there is no bash, with which the server starts Python models", "install bash")
    if server.stub is not None and (missing := _unresolved(server)):
        raise Unfit(
            "missing-library",
            f"the process of Python models can't start: {missing} is not on this machine",
            "install Python with its shared library (apt: libpython3-dev), or use a Docker group",
        )
    shown = _output(server, [str(server.program), "--help"])
    known = re.findall(r"^ *--([a-z0-9-]+)", shown, re.MULTILINE)
    for word in arguments if known else ():
        name = word[2:].partition("=")[0]
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            did = f", the nearest is --{nearest[0]}" if nearest else ""
            raise Unfit(
                "bad-option",
                f"this version of tritonserver has no option --{name}{did}",
                "take it out of processor_params, or choose an image that has it (triton_image of the resource group)",
            )


def _unresolved(server: Server) -> str:
    """The shared library that the stub lacks; empty: it has all. Its own loader says so, and starts nothing of it."""
    told = _output(server, [str(server.stub)], LD_TRACE_LOADED_OBJECTS="1")
    missing = [line.split("=>")[0].strip() for line in told.splitlines() if "not found" in line]
    return ", ".join(missing)


def _output(server: Server, command: Sequence[str], **more: str) -> str:
    path = ":".join([*map(str, server.libraries), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])
    environ = {**os.environ, "LD_LIBRARY_PATH": path, **more}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr
