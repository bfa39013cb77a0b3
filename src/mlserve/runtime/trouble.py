"""Why a request got no outputs, in the words and codes that every protocol translates into its own."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from mlserve.errors import InvalidInput
from mlserve.runtime.report import log
from mlserve.runtime.scheduling.job import Expired, QueueFull

_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Trouble:
    """``status``: as HTTP counts; ``reason``: the label in the metrics; ``code`` and ``text``: for the client."""

    status: int
    reason: str
    code: str
    text: str
    retry_after: int = 0
    """Seconds; 0: it need not be tried again."""


def reason(error: BaseException) -> str:
    """The label in the metrics."""
    if isinstance(error, InvalidInput):
        return "bad-request"
    if isinstance(error, QueueFull):
        return "queue-full"
    return "deadline" if isinstance(error, Expired) else "processor"


def trouble(error: BaseException, *, path: str = "", what: str = "the processor failed") -> Trouble:
    """What to answer. A crash is logged here, with its traceback and the ``path`` that was asked."""
    if isinstance(error, InvalidInput):
        return Trouble(error.status, "bad-request", error.code, _said(error))
    if isinstance(error, QueueFull):
        return Trouble(503, "queue-full", "queue-full", str(error), error.retry_after)
    if isinstance(error, Expired):
        return Trouble(504, "deadline", "deadline", str(error))
    words = f"{type(error).__name__}: {_said(error)}"
    log("request-failed", path=path, error=words)
    for line in "".join(traceback.format_exception(error)).rstrip().splitlines():
        log(line)
    return Trouble(500, "processor", "processor-failed", f"{what}: {words}"[:_LONGEST])


def _said(error: BaseException) -> str:
    """Its text, as can be written: a user's exception may fail to say it, or hold half a character."""
    try:
        said = str(error)
    except Exception as exc:  # noqa: BLE001 - whatever it raises, the request gets its answer
        said = f"(its text can't be had: {type(exc).__name__})"
    return said.encode("utf-8", "replace").decode()
