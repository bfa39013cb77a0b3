"""Judge a server's own list of its models: which serve, which don't and why, and whether any does. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_FRAME = re.compile(r"^\s*(?P<file>/[^\n(]+)\((?P<line>\d+)\): (?P<function>\S+)", re.MULTILINE)
_MODULE = re.compile(r"No module named '([^']+)'")
_MOST = 20


@dataclass(frozen=True)
class Verdict:
    """What is said of a server's models."""

    states: Mapping[str, str] = field(default_factory=dict)
    """Model → READY, or what is wrong with it."""
    warnings: tuple[str, ...] = ()
    fatal: bool = False
    """None of the models that were wanted can be asked."""
    cause: str = ""
    reason: str = ""
    hint: str = ""
    frames: tuple[Mapping[str, Any], ...] = ()


def judged(index: Sequence[Mapping[str, Any]], only: Collection[str] | None = None) -> Verdict:
    """The verdict on an answer of ``/v2/repository/index``; ``only``: the models that were to be loaded (None: all)."""
    found = {str(entry.get("name")): entry for entry in sorted(index, key=lambda entry: entry.get("state") == "READY")}
    wanted = sorted(found if only is None else only)
    states = {name: _state(found.get(name, {})) for name in wanted}
    broken = {name: said for name, said in states.items() if said != "READY"}
    if not broken:
        return Verdict(states)
    lines = [f"{name}: {said}" for name, said in broken.items()]
    if len(broken) < len(states):
        return Verdict(states, tuple(f"model {line}" for line in lines[:_MOST]))
    texts = "\n".join(str(entry.get("reason", "")) for entry in found.values())
    many = f"none of the {len(lines)} models could be loaded" if len(lines) > 1 else "the model could not be loaded"
    reason = f"{many}: {'; '.join(lines[:_MOST])}"
    return Verdict(states, (), True, _cause(texts), reason, _hint(texts, wanted), tuple(_frames(texts)))


def _state(entry: Mapping[str, Any]) -> str:
    if entry.get("state") == "READY":
        return "READY"
    told = str(entry.get("reason") or "").split("\n\nAt:")[0].strip().removeprefix("Internal: ")
    return " ".join(told.split()) or "it was not loaded; the log says why"


def _cause(texts: str) -> str:
    return "missing-library" if _MODULE.search(texts) else "load-exception"


def _hint(texts: str, names: Sequence[str]) -> str:
    if missing := _MODULE.search(texts):
        library = missing[1].split(".")[0]
        return f"add the line {library} to {names[0]}/requirements.txt in the model repository"
    return "mend the models in the repository; the frames and the log show where"


def _frames(texts: str) -> list[Mapping[str, Any]]:
    found: list[dict[str, Any]] = [match.groupdict() for match in _FRAME.finditer(texts)]
    return [{**frame, "line": int(frame["line"]), "code": ""} for frame in found[:12]]
