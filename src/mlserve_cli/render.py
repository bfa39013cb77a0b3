"""Results on stdout: as tables, JSON or YAML."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any


class Format(StrEnum):
    """How a result is shown."""

    table = "table"
    json = "json"
    yaml = "yaml"


def show(output: Format, data: Any, text: Callable[[], str]) -> None:
    """Print one document: ``data``, or ``text()`` for a person."""
    sys.stdout.write(_document(output, data, text).rstrip("\n") + "\n")


def _document(output: Format, data: Any, text: Callable[[], str]) -> str:
    if output is Format.json:
        return json.dumps(data, indent=2, ensure_ascii=False)
    if output is Format.yaml:
        import yaml

        return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
    return text()


def columns() -> int:
    """The width of the terminal; that of a usual one where there is none, unless COLUMNS says otherwise."""
    return shutil.get_terminal_size((120, 24)).columns


def properties(pairs: dict[str, Any]) -> str:
    """Names and values, one pair a line; None is left out."""
    given = {name: value for name, value in pairs.items() if value is not None}
    width = max(map(len, given), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in given.items())


def stream(lines: Iterable[str]) -> None:
    """Print lines as they come."""
    for line in lines:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
