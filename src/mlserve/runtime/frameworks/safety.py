"""What `require_safe` refuses: files whose reading can run code. Each processor knows which of its files do."""

from __future__ import annotations

from pathlib import Path

from mlserve.runtime.failures import StartFailure

PICKLES = (".pkl", ".pickle", ".joblib")
PICKLE = "is a pickle, which can run code when it is read"


def refused(path: Path, reason: str, hint: str) -> StartFailure:
    """The failure for a file that require_safe keeps out: what in it runs, and what to save instead."""
    return StartFailure("unreadable-model", f"require_safe is set, and {path.name} {reason}", hint)


def refuse_pickle(path: Path, require_safe: bool, hint: str) -> None:
    """Raises for a pickle where only safe files are welcome."""
    if require_safe and path.suffix in PICKLES:
        raise refused(path, PICKLE, hint)
