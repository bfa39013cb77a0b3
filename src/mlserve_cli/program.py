"""Find a verb, import it alone, and run it with its arguments."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

from mlserve.errors import InvalidInput, MlserveError
from mlserve_cli import catalogue, report
from mlserve_cli.signature import Verb, parse


@dataclass(frozen=True, slots=True)
class Found:
    """A verb and what is left of the command line. ``prog``: how it was called, in full."""

    verb: Verb
    prog: str
    text: str
    rest: Sequence[str]


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
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except Exception as exc:  # noqa: BLE001 - the outermost place: everything must end in a message
        return _unexpected(exc, as_json)


def find(arguments: Sequence[str], folder: str = catalogue.COMMANDS, prog: str = "mlserve") -> Found | None:
    """The verb that is meant; None where a group's own help is. Raises InvalidInput for one that isn't there."""
    if not arguments or arguments[0] in ("-h", "--help"):
        return None
    name = _verb(arguments[0], folder, prog)
    path, prog = os.path.join(folder, name), f"{prog} {name}"
    if os.path.isdir(path):
        return find(arguments[1:], path, prog)
    module = import_module(".".join(["mlserve_cli.commands", *prog.split()[1:]]))
    return Found(module.command, prog, (module.__doc__ or "").strip(), arguments[1:])


def _run(arguments: Sequence[str]) -> int:
    found = find(arguments)
    if found is None:
        group = arguments[0] if arguments else ""
        sys.stdout.write(catalogue.group_help(group))
        return 0 if arguments[-1:] in (["-h"], ["--help"]) else 2
    found.verb(**parse(found.verb, found.prog, found.text, found.rest))
    return 0


def _verb(word: str, folder: str, prog: str) -> str:
    known = catalogue.verbs(folder)
    aliases = catalogue.ALIASES if folder == catalogue.COMMANDS else {}
    name = aliases.get(word, word)
    if name in known:
        return name
    near = get_close_matches(word, [*known, *aliases], 1)
    hint = f"did you mean {near[0]}?" if near else f"{prog} --help lists the commands"
    raise InvalidInput(f'{prog}: no command "{word}"', hint=hint)


def _unexpected(exc: Exception, as_json: bool) -> int:
    if os.environ.get("MLSERVE_DEBUG", "") not in ("", "0"):
        traceback.print_exc()
    unknown = MlserveError(
        f"unexpected {type(exc).__name__}: {exc}", hint="MLSERVE_DEBUG=1 shows where; please report it"
    )
    return report.error(unknown, as_json=as_json)
