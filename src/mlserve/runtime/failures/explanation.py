"""Explain a failed start: its cause in one word, the reason, what to try, and the user's own frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlserve.runtime.spec import Spec


class StartFailure(Exception):
    """A start that can't succeed by itself, already explained by the file that knows the library."""

    def __init__(self, cause: str, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
        self.hint = hint


def explain(error: BaseException, spec: Spec, phase: str) -> dict[str, Any]:
    """The failure record's part that only this process knows."""
    from mlserve.runtime.failures.diagnosis import diagnosis  # only when something has failed
    from mlserve.runtime.failures.frames import frames

    root = error.__cause__ if isinstance(error, StartFailure) and error.__cause__ is not None else error
    if isinstance(error, StartFailure):
        cause, reason, hint = error.cause, error.reason, error.hint
    else:
        cause, reason, hint = diagnosis(error, spec, phase)
    versions = {"saved": dict(spec.saved_versions), "running": running_versions(spec.saved_versions)}
    if _differ(versions["saved"], versions["running"]) and cause in (
        "corrupt-model",
        "load-exception",
        "warm-up-failed",
        "missing-library",
    ):
        cause, reason, hint = _mismatch(versions, reason)
    return {
        "phase": phase,
        "cause": cause,
        "reason": reason,
        "hint": hint,
        "retryable": False,
        "exception": None
        if root is error and isinstance(error, StartFailure)
        else {"type": type(root).__name__, "message": str(root)},
        "frames": frames(root, spec.processor_path),
        "versions": versions,
    }


def running_versions(names: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """The installed version of each distribution, without importing it."""
    if not names:
        return {}
    from importlib import metadata  # slow to import, and mostly not needed

    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _mismatch(versions: Mapping[str, Mapping[str, str]], reason: str) -> tuple[str, str, str]:
    saved, running = versions["saved"], versions["running"]
    pairs = [
        f"{name} {saved[name]}, and {running[name]} runs"
        for name in saved
        if name in running and saved[name] != running[name]
    ]
    now = ", ".join(f"{name} {running[name]}" for name in running)
    return (
        "version-mismatch",
        f"the model was saved with {'; '.join(pairs)}: {reason}",
        f"save the model again with {now}, or serve it with the version it was saved with",
    )


def _differ(saved: Mapping[str, str], running: Mapping[str, str]) -> bool:
    return any(saved[name].split(".")[:2] != version.split(".")[:2] for name, version in running.items())
