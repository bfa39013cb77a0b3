"""The verbs as a tree of Typer commands: a verb's file is imported when it is called, and no other."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from typer import Exit, Typer
from typer.core import TyperGroup
from typer.main import get_command

from mlserve.errors import InvalidInput
from mlserve_cli import catalogue

_SETTINGS = {"help_option_names": ["-h", "--help"]}


class Verbs(TyperGroup):
    """A folder of verbs; ``path`` is where it lies below ``commands``, as the user types it."""

    def __init__(self, path: Sequence[str] = ()) -> None:
        super().__init__(name=" ".join(path), rich_markup_mode=None, context_settings=_SETTINGS)
        self._path = path
        self._prog = " ".join(["mlserve", *path])
        self._folder = os.path.join(catalogue.COMMANDS, *path)

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the verbs and groups in it."""
        return catalogue.verbs(self._folder)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb or group of that name; None where there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        path = [*self._path, cmd_name]
        if os.path.isdir(os.path.join(self._folder, cmd_name)):
            return Verbs(path)
        return _verb(path)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant, with its arguments. Raises InvalidInput for one that isn't there."""
        aliases = {} if self._path else catalogue.ALIASES
        name = aliases.get(args[0], args[0])
        found = self.get_command(ctx, name)
        if found is None:
            near = get_close_matches(name, [*self.list_commands(ctx), *aliases], 1, cutoff=0.7)
            hint = f"did you mean {near[0]}?" if near else f"{self._prog} --help lists the commands"
            raise InvalidInput(f'{self._prog}: no command "{name}"', hint=hint)
        return name, found, args[1:]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """A group alone is answered with its help."""
        if not args:
            sys.stdout.write(ctx.get_help() + "\n")
            raise Exit(2)
        return list(super().parse_args(ctx, args))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Its verbs with a line each, read without importing them."""
        formatter.write(catalogue.group_help(self._prog, self._folder))


def find(words: Sequence[str]) -> tuple[Any, list[str]]:
    """The command that words lead to, and the words that are left. Raises InvalidInput for one that isn't there."""
    command: Any = Verbs()
    rest = list(words)
    while rest and isinstance(command, Verbs):
        _, command, rest = command.resolve_command(None, rest)
    return command, rest


def _verb(path: Sequence[str]) -> Any:
    module = import_module(".".join(["mlserve_cli.commands", *path]))
    app = Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(path[-1], help=module.__doc__, context_settings=_SETTINGS)(module.command)
    return get_command(app)
