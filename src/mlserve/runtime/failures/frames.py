"""The user's own frames of a traceback, as a failure record shows them."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

_MOST, _FOREIGN = 12, 5
"""Frames that are shown: the last of a deep recursion, and of libraries where the user has none."""
_RUNTIME = str(Path(__file__).parents[1])


def frames(error: BaseException, root: str | None) -> list[dict[str, Any]]:
    """The user's own frames of a traceback; others only where nothing of the user's is left."""
    found = [f for f in traceback.extract_tb(error.__traceback__) if not _ours(f.filename)]
    own = ([f for f in found if not _foreign(f.filename)] or found[-_FOREIGN:])[-_MOST:]
    shown = [_frame(f.filename, f.lineno, f.name, f.line, root) for f in own]
    if isinstance(error, SyntaxError) and error.filename:
        shown = [f for f in shown if not f["file"].startswith("<")]
        shown.append(_frame(error.filename, error.lineno, "<module>", error.text, root))
    return shown


def while_importing(error: BaseException) -> bool:
    """It was raised by the user's file while that was read, not by what it defines."""
    return any(
        f.name == "import_file" and f.filename.startswith(_RUNTIME) for f in traceback.extract_tb(error.__traceback__)
    )


def _frame(file: str, line: int | None, function: str, code: str | None, root: str | None) -> dict[str, Any]:
    path = Path(file)
    shown = path.relative_to(root) if root and path.is_relative_to(root) else path
    return {"file": str(shown), "line": line, "function": function, "code": (code or "").strip()}


def _ours(file: str) -> bool:
    return file.startswith((_RUNTIME, "<frozen"))


def _foreign(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file or file.startswith((sys.base_prefix, "<"))
