"""The verbs as one typer program, each imported when it is called."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from mlserve.errors import InvalidInput, MlserveError
from mlserve_cli import catalogue, report


class Folder(TyperGroup):
    """A folder of verbs. ``package``: the folder as a module name."""

    package = "mlserve_cli.commands"
    path = catalogue.COMMANDS

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the files."""
        return catalogue.verbs(self.path)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one verb."""
        if self.package == Folder.package:
            cmd_name = catalogue.ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in catalogue.verbs(self.path):
            return None
        path = os.path.join(self.path, cmd_name)
        return _group(cmd_name, self) if os.path.isdir(path) else _verb(f"{self.package}.{cmd_name}", cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb of the arguments; an unknown one is met with the nearest."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = [*catalogue.verbs(self.path), *catalogue.ALIASES]
            near = get_close_matches(args[0], known, 1)
            hint = f"did you mean {near[0]}?" if near else f"{ctx.command_path} --help lists the commands"
            raise InvalidInput(f'no command "{args[0]}"', hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list in the help, without importing the verbs."""
        with formatter.section("Commands"):
            formatter.write_dl(catalogue.rows(self.path))


def invoke(arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit code, with what went wrong on stderr."""
    as_json = report.wants_json(arguments)
    try:
        result = _program().main(list(arguments), prog_name="mlserve", standalone_mode=False)
    except MlserveError as error:
        return report.error(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except Exception as exc:  # noqa: BLE001 - the outermost place: everything must end in a message
        return _foreign(exc, as_json)
    return result if isinstance(result, int) else 0


def _foreign(exc: Exception, as_json: bool) -> int:
    if hasattr(exc, "format_message"):  # typer's own: wrong usage
        usage = InvalidInput(exc.format_message() or "a command is missing", hint=_usage_hint(exc))
        return report.error(usage, as_json=as_json)
    if os.environ.get("MLSERVE_DEBUG", "") not in ("", "0"):
        traceback.print_exc()
    name = type(exc).__name__
    unknown = MlserveError(f"unexpected {name}: {exc}", hint="MLSERVE_DEBUG=1 shows where; please report it")
    return report.error(unknown, as_json=as_json)


def _usage_hint(exc: Exception) -> str:
    context = getattr(exc, "ctx", None)
    return f"{context.command_path} --help says more" if context is not None else "mlserve --help says more"


def _program() -> Any:
    completing = "_MLSERVE_COMPLETE" in os.environ or any("-completion" in argument for argument in sys.argv[1:2])
    app = typer.Typer(
        cls=Folder, add_completion=completing, rich_markup_mode=None, pretty_exceptions_enable=False, help=_HELP
    )
    app.callback()(_root)
    return typer.main.get_command(app)


_HELP = "Turn a trained model and a service.json into a served, supervised, scalable endpoint."


def _root() -> None:
    pass


def _group(name: str, parent: Folder) -> Any:
    path = os.path.join(parent.path, name)
    kind = type(name, (Folder,), {"package": f"{parent.package}.{name}", "path": path})
    app = typer.Typer(cls=kind, add_completion=False, rich_markup_mode=None, help=catalogue.summary(name, parent.path))
    app.callback(no_args_is_help=False)(_root)
    group = typer.main.get_command(app)
    group.name = name
    return group


def _verb(module: str, name: str) -> Any:
    loaded = import_module(module)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name, help=loaded.__doc__)(loaded.command)
    command = typer.main.get_command(app)
    command.name = name
    return command
