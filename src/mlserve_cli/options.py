"""The options and arguments that several verbs share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from mlserve.errors import InvalidInput
from mlserve_cli.render import Format


def seconds(text: str) -> float:
    """``90``, ``90s``, ``5m``, ``1h30m``, ``2d`` in seconds."""
    units = {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidInput(f'"{text}" is not a length of time', hint="write it as 90s, 5m, 1h30m or 30d")
    return sum(float(number) * units[unit] for number, unit in parts)


def settings(pairs: list[str], hint: str = "e.g. --option host=ssh://gpu-box") -> dict[str, str]:
    """``name=value`` pairs."""
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise InvalidInput(f'"{wrong[0]}" is not name=value', hint=hint)
    return dict(pair.split("=", 1) for pair in pairs)


def weights(pairs: list[str]) -> dict[str, int]:
    """``name=90`` pairs."""
    given = settings(pairs, hint="e.g. a=90 b=10")
    wrong = next((text for text in given.values() if not text.removesuffix("%").isdecimal()), None)
    if wrong is not None:
        raise InvalidInput(f'"{wrong}" is no whole number of percent', hint="e.g. a=90 b=10")
    return {name: int(text.removesuffix("%")) for name, text in given.items()}


def whole(path: str) -> str:
    """A file's path as the hub, which has another folder, finds it."""
    return str(Path(path).expanduser().absolute()) if path else ""


def _services(incomplete: str) -> list[str]:
    from mlserve_cli.completion import service_names  # it reads the verbs, which read this file

    return service_names(incomplete)


Name = Annotated[str, Argument(metavar="NAME", help="The service's name", autocompletion=_services)]
File = Annotated[Path, Argument(metavar="FILE", help="The descriptor, JSON or YAML")]
Output = Annotated[Format, Option("-o", "--output", help="How the result is shown")]
Changes = Annotated[
    list[str] | None,
    Option("--set", help="Change a field, e.g. metadata.cpu=2; may be repeated", metavar="FIELD=VALUE"),
]
Safe = Annotated[
    bool, Option("--require-safe", help="Refuse model files that can run code when they are read, such as pickles")
]


def changes(set: list[str] | None, require_safe: bool) -> list[str]:
    """What --set and --require-safe change together."""
    return [*(set or ()), *(["require_safe=true"] if require_safe else ())]


Strategy = Annotated[
    str, Option("--strategy", metavar="STRATEGY", help="How it takes over: rolling, blue_green, canary or recreate")
]
NoWait = Annotated[bool, Option("--no-wait", help="Return at once, don't wait for the result")]
Timeout = Annotated[str | None, Option("--timeout", help="Wait this long at most, e.g. 5m", metavar="TIME")]
Yes = Annotated[bool, Option("-y", "--yes", help="Don't ask")]
Data = Annotated[str | None, Option("--data", help="What to ask, as JSON", metavar="JSON")]
DataFile = Annotated[Path | None, Option("--file", help="A file to send as it is", metavar="PATH")]
