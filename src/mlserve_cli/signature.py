"""A verb's arguments, read from the signature of its function, which says each of them once.

``name: Annotated[str, Argument(help="…")]``, ``tail: Annotated[int | None, Option("--tail", help="…")] = None``.
"""

from __future__ import annotations

import argparse
import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin

from mlserve.errors import InvalidInput

Verb = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument. ``complete``: what it may be, for the shell, given its beginning."""

    help: str = ""
    metavar: str = ""
    minimum: int | None = None
    complete: Callable[[str], Sequence[str]] | None = None


class Option:
    """An option by its flags; of type bool it takes no value, of type list it may be repeated."""

    def __init__(
        self, *flags: str, help: str = "", metavar: str = "", minimum: int | None = None, env: str = ""
    ) -> None:
        self.flags = flags
        self.help = help
        self.metavar = metavar
        self.minimum = minimum
        self.env = env


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a verb. ``kind``: the type of its value."""

    name: str
    kind: type
    told: Argument | Option
    repeated: bool
    default: Any

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is inspect.Parameter.empty

    @property
    def metavar(self) -> str:
        """How the help calls its value."""
        return self.told.metavar or self.name.upper()


class Parser(argparse.ArgumentParser):
    """Wrong usage becomes InvalidInput; a new line in the help stays one."""

    def error(self, message: str) -> NoReturn:
        """What argparse calls when the arguments don't fit."""
        raise InvalidInput(f"{self.prog}: {message}", hint=f"{self.prog} --help says more")


def parameters(verb: Verb) -> list[Parameter]:
    """All arguments of a verb, in order."""
    return [_parameter(found) for found in inspect.signature(verb).parameters.values()]


def parser(verb: Verb, prog: str, text: str) -> Parser:
    """What reads the arguments of a verb."""
    made = Parser(prog=prog, description=text, allow_abbrev=False)
    for parameter in parameters(verb):
        _add(made, parameter)
    return made


def parse(verb: Verb, prog: str, text: str, arguments: Sequence[str]) -> dict[str, Any]:
    """The arguments as the verb's function wants them. Raises InvalidInput, and SystemExit after ``--help``."""
    return vars(parser(verb, prog, text).parse_intermixed_args(list(arguments)))


def _parameter(found: inspect.Parameter) -> Parameter:
    kind, told = get_args(found.annotation)[:2]
    if type(None) in get_args(kind):
        kind = next(choice for choice in get_args(kind) if choice is not type(None))
    repeated = get_origin(kind) is list
    return Parameter(found.name, get_args(kind)[0] if repeated else kind, told, repeated, found.default)


def _add(made: Parser, parameter: Parameter) -> None:
    told = parameter.told
    if isinstance(told, Argument):
        count = {} if parameter.required else {"nargs": "?", "default": parameter.default}
        made.add_argument(parameter.name, metavar=parameter.metavar, help=told.help, type=_reader(parameter), **count)
    elif parameter.kind is bool:
        made.add_argument(*told.flags, dest=parameter.name, help=told.help, action="store_true")
    else:
        made.add_argument(
            *told.flags,
            dest=parameter.name,
            help=told.help,
            metavar="|".join(parameter.kind) if issubclass(parameter.kind, Enum) else parameter.metavar,
            type=_reader(parameter),
            default=os.environ.get(told.env, parameter.default) if told.env else parameter.default,
            action="append" if parameter.repeated else "store",
        )


def _reader(parameter: Parameter) -> Callable[[str], Any]:
    if issubclass(parameter.kind, Enum):
        return lambda text: _choice(parameter.kind, text)
    if parameter.kind is int:
        return lambda text: _number(text, parameter.told.minimum)
    return Path if parameter.kind is Path else str


def _choice(kind: Any, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"choose {', '.join(kind)}, not {text!r}") from None


def _number(text: str, minimum: int | None) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if minimum is not None and number < minimum:
        raise argparse.ArgumentTypeError(f"{number} is less than {minimum}")
    return number
