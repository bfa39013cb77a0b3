"""Run one command line; what goes wrong becomes a message and an exit code."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from typer import BadParameter, Exit

from mlserve.errors import InvalidInput, MlserveError
from mlserve_cli import report
from mlserve_cli.tree import Verbs

_WrongUsage: type[Exception] = BadParameter.mro()[1]
"""click's UsageError, which newer Typers keep to themselves."""


def invoke(arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit code, with what went wrong on stderr."""
    return guarded(lambda: _run(arguments), as_json=report.wants_json(arguments))


def guarded(action: Callable[[], int], *, as_json: bool) -> int:
    """Do something; what goes wrong becomes a message and an exit code."""
    try:
        return action()
    except MlserveError as error:
        return report.error(error, as_json=as_json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as exc:  # noqa: BLE001 - the outermost place: everything must end in a message
        return _unexpected(exc, as_json)


def _run(arguments: Sequence[str]) -> int:
    # not Typer's main(): it ends the program itself where a pipe breaks, and prints errors its own way
    try:
        with Verbs().make_context("mlserve", list(arguments)) as context:
            context.command.invoke(context)
    except Exit as end:
        return end.exit_code
    except _WrongUsage as wrong:
        raise _invalid(wrong) from wrong
    return 0


def _invalid(wrong: Any) -> InvalidInput:
    prog = wrong.ctx.command_path if wrong.ctx else "mlserve"
    return InvalidInput(f"{prog}: {wrong.format_message().rstrip('.')}", hint=f"{prog} --help says more")


def _unexpected(exc: Exception, as_json: bool) -> int:
    if os.environ.get("MLSERVE_DEBUG", "") not in ("", "0"):
        traceback.print_exc()
    unknown = MlserveError(
        f"unexpected {type(exc).__name__}: {exc}", hint="MLSERVE_DEBUG=1 shows where; please report it"
    )
    return report.error(unknown, as_json=as_json)
