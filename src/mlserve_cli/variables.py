"""Variables from a file of NAME=value lines, as docker's --env-file takes them."""

from __future__ import annotations

from pathlib import Path

from mlserve.errors import InvalidInput


def variables(path: str) -> dict[str, str]:
    """Each name with its value; no file, none. Raises InvalidInput with the line that is not one."""
    if not path:
        return {}
    try:
        lines = Path(path).expanduser().read_text().splitlines()
    except (OSError, ValueError) as exc:
        raise InvalidInput(f"{path} can't be read: {exc}", hint="write a line NAME=value for each variable") from exc
    found = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise InvalidInput(f"line {number} of {path} is no variable", hint="write NAME=value")
        found[name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
