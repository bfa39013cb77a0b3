"""Ask the user for a yes, where there is a terminal to ask on."""

from __future__ import annotations

import sys

from mlserve.errors import InvalidInput, MlserveError


def confirm(text: str, *, yes: bool) -> None:
    """Go on only with a yes; without a terminal only ``-y`` is one."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInput("this needs a confirmation, and there is no terminal to ask on", hint="-y says yes")
    sys.stderr.write(f"{text} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise MlserveError("nothing was changed: the answer was no")
