"""Print the table of verbs for the README: ``python -m mlserve_cli.table``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from mlserve_cli import catalogue
from mlserve_cli.tree import Verbs, find


def table() -> str:
    """Every verb with its arguments and what it does, as Markdown."""
    lines = ["| command | what it does |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{usage}` | {text} |" for usage, text in _verbs([]))]) + "\n"


def _verbs(group: list[str]) -> Iterator[tuple[str, str]]:
    folder = os.path.join(catalogue.COMMANDS, *group)
    for shown, text in catalogue.rows(folder):
        verb, _, alias = shown.partition(" ")
        command, _ = find([*group, verb])
        if isinstance(command, Verbs):
            yield from _verbs([*group, verb])
            continue
        also = f" (also `{alias.strip('()')}`)" if alias else ""
        # every verb has -o: the README says so once
        pieces = [_piece(parameter) for parameter in command.params if parameter.name != "output"]
        yield " ".join(["mlserve", *group, verb, *pieces]), text + also


def _piece(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    if parameter.param_type_name == "argument":
        return name if parameter.required else f"[{name}]"
    value = "" if parameter.is_flag else f" {name}"
    return f"[{parameter.opts[0]}{value}]" + ("…" if parameter.multiple else "")


if __name__ == "__main__":
    sys.stdout.write(table())
