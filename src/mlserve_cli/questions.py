"""Ask the user, where there is one."""

from __future__ import annotations

import sys

import typer

from mlserve.errors import InvalidInput


def confirm(text: str, *, yes: bool) -> None:
    """Go on only with a yes; without a terminal only ``-y`` is one."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInput("this needs a confirmation, and there is no terminal to ask on", hint="-y says yes")
    if not typer.confirm(text, err=True):
        raise typer.Exit(1)
