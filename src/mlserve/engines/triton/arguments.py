"""Read ``processor_params`` as the server's own command line: options, their values, and the mistakes in them. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mlserve.engines.triton.options import Option, Options
from mlserve.errors import Detail

_TRUTHS = ("true", "1", "false", "0")
_OFF = ("false", "0")


@dataclass(frozen=True, slots=True)
class Argument:
    """One option as it was given, and the place of its item among the params."""

    name: str
    value: str | None
    place: int

    @property
    def off(self) -> bool:
        """A boolean that says no."""
        return (self.value or "").lower() in _OFF

    def __str__(self) -> str:
        return f"--{self.name}" if self.value is None else f"--{self.name}={self.value}"


@dataclass(slots=True)
class Read:
    """What params say, and what is wrong with them."""

    arguments: list[Argument] = field(default_factory=list)
    errors: list[Detail] = field(default_factory=list)
    unknown: list[Detail] = field(default_factory=list)
    """Options that this version of the server lacks; another version may have them."""


def read(params: Sequence[str], options: Options) -> Read:
    """The arguments in ``params``; each mistake with the pointer of its item."""
    result = Read()
    open_option: Argument | None = None
    for place, word in enumerate(params):
        if open_option is not None and not word.startswith("--"):
            result.arguments.append(Argument(open_option.name, word, open_option.place))
            open_option = None
            continue
        if open_option is not None:
            result.errors.append(_detail(open_option.place, f"--{open_option.name} has no value: write it after ="))
            open_option = None
        if not word.startswith("--"):
            result.errors.append(_detail(place, f'"{word[:80]}" is no option of tritonserver: these begin with --'))
            continue
        name, equals, value = word[2:].partition("=")
        option = options.known.get(name)
        if option is None:
            result.unknown.append(_unknown(place, name, options))
            result.arguments.append(Argument(name, value if equals else None, place))
        elif option.kind and not equals:
            open_option = Argument(name, None, place)
        else:
            result.arguments.append(Argument(name, value if equals else None, place))
    if open_option is not None:
        result.errors.append(_detail(open_option.place, f"--{open_option.name} has no value: write it after ="))
    result.errors += _mistakes(result.arguments, options)
    return result


def _mistakes(arguments: Sequence[Argument], options: Options) -> Iterator[Detail]:
    seen: dict[str, Argument] = {}
    for argument in arguments:
        option = options.known.get(argument.name)
        if option is None:
            continue
        if argument.name == "help":
            yield _detail(argument.place, "--help prints the options and serves nothing: leave it out")
        elif message := _wrong(argument, option):
            yield _detail(argument.place, message)
        elif argument.name in seen and not option.many and seen[argument.name].value != argument.value:
            other = f"{seen[argument.name]} and {argument}"
            yield _detail(argument.place, f"--{argument.name} is given twice ({other}): keep one", code="conflict")
        seen.setdefault(argument.name, argument)


def _wrong(argument: Argument, option: Option) -> str:
    value = argument.value
    if not option.kind:
        return "" if value is None else f"--{argument.name} takes no value"
    if not value:
        return f"--{argument.name} has no value: write it after ="
    if option.kind == "boolean" and value.lower() not in _TRUTHS:
        return f'--{argument.name} is true or false, not "{value[:40]}"'
    if option.kind == "integer" and not _whole(value) and not (argument.name == "log-verbose" and _truth(value)):
        return f'--{argument.name} is a whole number, not "{value[:40]}"'
    if option.kind == "float" and not _number(value):
        return f'--{argument.name} is a number, not "{value[:40]}"'
    return ""


def _truth(value: str) -> bool:
    return value.lower() in _TRUTHS


def _whole(value: str) -> bool:
    return value.removeprefix("-").isdecimal() and value.isascii()


def _number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _unknown(place: int, name: str, options: Options) -> Detail:
    nearest = difflib.get_close_matches(name, list(options.known), n=1, cutoff=0.6)
    message = f"--{name[:80]} is no option of tritonserver {options.version}"
    if not nearest:
        return _detail(place, message, code="unknown-option")
    return _detail(place, f"{message}, the nearest is --{nearest[0]}", code="unknown-option") | {
        "nearest": f"--{nearest[0]}"
    }


def _detail(place: int, message: str, *, code: str = "invalid") -> Detail:
    return {"pointer": f"/processor_params/{place}", "code": code, "message": message}
