"""Say on stderr what went wrong: for a person, or as one JSON line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlserve.errors import MlserveError
from mlserve_cli.failure import render


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON; also answered where the rest of it is wrong."""
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return any(
        (name in ("-o", "--output") and value == "json") or name in ("-ojson", "--output=json") for name, value in pairs
    )


def error(problem: MlserveError, *, as_json: bool) -> int:
    """Print an error, its details first; returns the exit code."""
    if as_json:
        sys.stderr.write(json.dumps({"error": problem.to_dict()}) + "\n")
        return problem.exit_code
    message = _headline(problem)
    for detail in problem.details:
        if text := _detail(detail, message, problem.hint):
            sys.stderr.write(text + "\n")
    sys.stderr.write(f"error: {message}\n")
    if problem.hint:
        sys.stderr.write(f"  try: {problem.hint}\n")
    return problem.exit_code


def warnings(found: Iterable[Mapping[str, Any]]) -> None:
    """Print warnings."""
    for warning in found:
        sys.stderr.write(f"warning: {placed(warning)}\n")


def note(text: str) -> None:
    """Print a line of progress."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def placed(detail: Mapping[str, Any]) -> str:
    """A mistake with its place, where its own words don't name that."""
    text, pointer = str(detail.get("message") or detail.get("code", "")), detail.get("pointer")
    return text if not pointer or f'"{pointer}"' in text else f"{pointer}: {text}"


def _headline(problem: MlserveError) -> str:
    """The message; without the mistakes where it strings several together, since each has a line of its own."""
    mistakes = [str(detail["message"]) for detail in problem.details if detail.get("message")]
    head, _, rest = problem.message.partition(mistakes[0] if len(mistakes) > 1 else "\0")
    together = bool(mistakes[1:]) and mistakes[1] in rest
    return head.rstrip(": ") or problem.message if together else problem.message


def _detail(detail: Mapping[str, Any], message: str, hint: str) -> str:
    if "phase" in detail or "cause" in detail:
        return render(detail, said=f"{message}\n{hint}")
    if "log" in detail:
        return "\n".join([f"{detail.get('message', 'log')}:", *(f"  {line}" for line in detail["log"])])
    text = str(detail.get("message") or "")
    if not text or text in message:
        return ""
    nearest = str(detail.get("nearest") or "")
    near = f" (did you mean {nearest}?)" if nearest and f'"{nearest}"' not in text else ""
    return f"  {placed(detail)}{near}"
