"""What a caller tells of answers: read from a body, checked before any of it is kept. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from mlserve.errors import InvalidInput
from mlserve.gateway.arms import LONGEST

DEFAULT = "reward"
"""The metric's name where none is said."""
MOST = 1000
"""Values in one body."""
_METRIC = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character: JSON may carry one, and no header."""
_LARGEST = 1e100
"""Squares of values are added up."""
_HINT = '{"request_id": "…", "value": 1.0}, or a list of these; "name" says of which metric, "reward" if left out'


@dataclass(frozen=True, slots=True)
class Feedback:
    """How an answer turned out, by one metric."""

    request_id: str
    value: float
    metric: str = DEFAULT


def read(body: bytes) -> list[Feedback]:
    """One value or a list of them; raises InvalidInput, which says where, and then nothing of it counts."""
    try:
        said = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput(f"the feedback is not JSON: {exc}", hint=f"send {_HINT}") from exc
    several = said if isinstance(said, list) else [said]
    if len(several) > MOST:
        raise InvalidInput(f"{len(several)} values came at once", hint=f"at most {MOST}: send them in several requests")
    return [_one(one, f"/{index}" if isinstance(said, list) else "") for index, one in enumerate(several)]


def _one(said: Any, at: str) -> Feedback:
    if not isinstance(said, dict):
        _refuse(at, "is not an object")
    unknown = sorted(said.keys() - {"request_id", "value", "name"})
    if unknown:
        _refuse(f"{at}/{unknown[0]}", "is unknown")
    identity, value, metric = said.get("request_id"), said.get("value"), said.get("name", DEFAULT)
    if not isinstance(identity, str) or not 1 <= len(identity) <= LONGEST or _SURROGATE.search(identity):
        _refuse(f"{at}/request_id", f"has to be a text of 1 to {LONGEST} characters: the x-request-id of an answer")
    if not isinstance(value, int | float) or not abs(value) <= _LARGEST:  # what is not a number (NaN) is not either
        _refuse(f"{at}/value", "has to be a number, or true or false")
    if not isinstance(metric, str) or not _METRIC.fullmatch(metric):
        _refuse(f"{at}/name", "has to be a name of letters, digits, _, . and -, of 64 characters at most")
    return Feedback(identity, float(value), metric)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _refuse(pointer: str, why: str) -> NoReturn:
    message = f"the feedback's {pointer or 'body'} {why}"
    raise InvalidInput(message, hint=_HINT, details=[{"pointer": pointer, "code": "invalid", "message": message}])
