"""Print the table of verbs for the README: ``python -m mlserve_cli.table``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from mlserve_cli import catalogue, program
from mlserve_cli.signature import Argument, Parameter, parameters


def table() -> str:
    """Every verb with its arguments and what it does, as Markdown."""
    lines = ["| command | what it does |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{usage}` | {text} |" for usage, text in _verbs([]))]) + "\n"


def _verbs(group: list[str]) -> Iterator[tuple[str, str]]:
    folder = os.path.join(catalogue.COMMANDS, *group)
    for shown, text in catalogue.rows(folder):
        verb, _, alias = shown.partition(" ")
        found = program.find([*group, verb])
        if found is None:
            yield from _verbs([*group, verb])
            continue
        also = f" (also `{alias.strip('()')}`)" if alias else ""
        yield " ".join([found.prog, *map(_piece, _own(parameters(found.verb)))]), text + also


def _own(known: list[Parameter]) -> list[Parameter]:
    # every verb has -o: the README says so once
    return [parameter for parameter in known if parameter.name != "output"]


def _piece(parameter: Parameter) -> str:
    if isinstance(parameter.told, Argument):
        return parameter.metavar if parameter.required else f"[{parameter.metavar}]"
    value = "" if parameter.kind is bool else f" {parameter.metavar}"
    return f"[{parameter.told.flags[0]}{value}]" + ("…" if parameter.repeated else "")


if __name__ == "__main__":
    sys.stdout.write(table())
