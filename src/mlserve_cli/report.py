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
    for detail in problem.details:
        if text := _detail(detail, problem.message):
            sys.stderr.write(text + "\n")
    sys.stderr.write(f"error: {problem.message}\n")
    if problem.hint:
        sys.stderr.write(f"  try: {problem.hint}\n")
    return problem.exit_code


def warnings(found: Iterable[Mapping[str, Any]]) -> None:
    """Print warnings."""
    for warning in found:
        pointer = f"{warning['pointer']}: " if warning.get("pointer") else ""
        sys.stderr.write(f"warning: {pointer}{warning.get('message') or warning.get('code', '')}\n")


def note(text: str) -> None:
    """Print a line of progress."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _detail(detail: Mapping[str, Any], message: str) -> str:
    if "phase" in detail or "cause" in detail:
        return render(detail)
    if "log" in detail:
        return "\n".join([f"{detail.get('message', 'log')}:", *(f"  {line}" for line in detail["log"])])
    text = str(detail.get("message") or "")
    if not text or text in message:
        return ""
    pointer = f"{detail['pointer']}: " if detail.get("pointer") else ""
    near = f" (did you mean {detail['nearest']}?)" if detail.get("nearest") and "did you mean" not in text else ""
    return f"  {pointer}{text}{near}"
