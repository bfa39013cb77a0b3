"""Print the table of verbs for the README: ``python -m mlserve_cli.table``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from mlserve_cli import catalogue
from mlserve_cli.program import Folder, _program


def table() -> str:
    """Every verb with its arguments and what it does, as Markdown."""
    lines = ["| command | what it does |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{usage}` | {text} |" for usage, text in _verbs(_program(), "mlserve"))]) + "\n"


def _verbs(group: Folder, prefix: str) -> Iterator[tuple[str, str]]:
    short = {verb: alias for alias, verb in catalogue.ALIASES.items()} if prefix == "mlserve" else {}
    for verb in catalogue.verbs(group.path):
        command = group.get_command(None, verb)
        if os.path.isdir(os.path.join(group.path, verb)):
            yield from _verbs(command, f"{prefix} {verb}")
            continue
        also = f" (also `{short[verb]}`)" if verb in short else ""
        yield (
            " ".join([f"{prefix} {verb}", *map(_piece, _own(command.params))]),
            catalogue.summary(verb, group.path) + also,
        )


def _own(parameters: list[Any]) -> list[Any]:
    # every verb has -o: the README says so once
    return [parameter for parameter in parameters if parameter.name != "output"]


def _piece(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = (parameter.metavar or str(parameter.name).upper()).strip("[]")
        return name if parameter.required else f"[{name}]"
    option = "/".join(parameter.opts)
    value = "" if parameter.is_flag else f" {str(parameter.metavar or parameter.name).upper()}"
    return f"[{option}{value}]"


if __name__ == "__main__":
    sys.stdout.write(table())
