"""Checks and trials for a person to read, and the exit code that follows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mlserve.client import Trial
from mlserve.errors import InvalidDescriptor, MlserveError, NoCapacity
from mlserve_cli.render import Format, show
from mlserve_cli.report import placed


def verdict_text(found: Mapping[str, Any]) -> str:
    """What ``validate`` found."""
    lines = [f"{found.get('name')} is {'valid' if found.get('valid') else 'not valid'}"]
    lines += [f"warning: {placed(warning)}" for warning in found.get("warnings") or []]
    return "\n".join([*lines, *check_lines(found.get("checks") or [])])


def judged(validate: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """The verdict, also where the descriptor is so wrong that the hub was never asked."""
    try:
        return dict(validate())
    except InvalidDescriptor as exc:
        errors = exc.details or [{"pointer": "", "code": exc.code, "message": exc.message}]
        found = f"{len(errors)} mistakes" if len(errors) > 1 else exc.message
        check = {"name": "descriptor", "ok": False, "detail": found, "hint": exc.hint}
        return {"valid": False, "name": "the descriptor", "warnings": [], "errors": errors, "checks": [check]}


def reject_invalid(found: Mapping[str, Any]) -> None:
    """Raise InvalidDescriptor where ``validate`` found the descriptor wrong, NoCapacity where there is only no room."""
    if found.get("valid"):
        return
    errors = [dict(error) for error in found.get("errors") or []]
    failed = [check for check in found.get("checks") or [] if not check.get("ok")]
    first = placed(errors[0]) if errors else (failed[0].get("detail") if failed else "it can't be served here")
    hint = next((str(item["hint"]) for item in failed if item.get("hint")), "correct what is named above")
    kind = NoCapacity if errors and all(error.get("code") == "no-capacity" for error in errors) else InvalidDescriptor
    said = "" if len(errors) > 1 else f": {first}"  # several have a line each
    raise kind(f"{found.get('name')} is not valid{said}", hint=hint, details=errors)


def check_lines(checks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each check, passed or failed with its fix."""
    lines = []
    for check in checks:
        said = ": ".join(filter(None, (str(check.get("name")), str(check.get("detail") or ""))))
        lines.append(f"{'passed' if check.get('ok') else 'FAILED'}  {said}")
        fix = check.get("fix") or check.get("hint")
        if fix and not check.get("ok"):
            lines.append(f"        fix: {fix}")
    return lines


def show_checks(output: Format, checks: Sequence[Mapping[str, Any]]) -> None:
    """Print what ``doctor`` found; raises where a check failed."""
    failed = [check for check in checks if not check["ok"]]
    show(output, {"ok": not failed, "checks": list(checks)}, lambda: "\n".join(check_lines(checks)))
    if failed:
        names = ", ".join(str(check["name"]) for check in failed)
        raise MlserveError(f"{len(failed)} of {len(checks)} checks failed: {names}", hint=str(failed[0].get("fix", "")))


def trial_text(trial: Trial) -> str:
    """Question, answer and log of a throw-away instance."""
    question = "generated from the model's inputs" if trial.generated else "as given"
    shown = trial.to_dict()
    lines = [f"{trial.name} was started and answered in {trial.seconds} s, question {question}"]
    if shown["question"] is None:
        lines = [f"{trial.name} became ready in {trial.seconds} s; it doesn't say what to ask, give --data or --file"]
    lines += (
        [f"question  {_short(shown['question'])}", f"answer    {_short(shown['answer'])}"] if shown["question"] else []
    )
    return "\n".join([*lines, "log", *(f"  {line.text}" for line in trial.log)])


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 2000 else text[:2000] + " …"
