"""How two answers to the same request differ: field by field where both are JSON, else by their bytes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mlserve.hub.comparing.reading import Unreadable, read

TOLERANCE = 1e-3
"""Of the larger of two numbers; two that differ by less than the smallest one that matters are always alike."""
_SMALLEST = 1e-6
_ECHO = frozenset({"/id", "/model_name", "/model_version"})
"""What the Open Inference Protocol says of the request and of who answers, beside the answer."""
_TOLD = 100
"""Differences of two answers that are held: theirs may be millions of numbers."""
_LONGEST = 1000
"""Characters of a pointer that are held: a name may have as many as the answer, and be that of a million numbers."""
Pairs = Iterator[tuple[str, Any, Any]]
"""Where it is, and what is there in either answer."""
_END = (None, None, None)


class Kind(StrEnum):
    """In what two answers differ."""

    NUMBER = "number"
    LABEL = "label"
    """A text, a whole number or a truth: a class, a name, a decision."""
    FORM = "form"
    """Other fields, other lengths, other types."""
    STATUS = "status"
    BODY = "body"
    """Something else than JSON."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: ``kind`` is its content type, ``head`` how many bytes of it are a JSON head before tensors."""

    status: int
    kind: str = ""
    body: bytes = b""
    head: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as alike. ``ignore``: fields that are not compared, by JSON pointer or by name alone."""

    tolerance: float = TOLERANCE
    ignore: frozenset[str] = frozenset()
    clear: frozenset[str] | None = None
    """The fields whose values may be shown; None: all."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place at which two answers differ; its ``field`` is a JSON pointer, or empty for the answer as a whole."""

    kind: Kind
    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """The first differences beyond the tolerance, and the largest distance of two numbers, also within it."""

    differences: Sequence[Difference] = ()
    largest: float = 0.0
    flipped: bool = False
    """A label is another one."""


def compared(old: Answer, new: Answer, rules: Rules) -> Comparison:
    """How they differ; two refusals of one kind are alike, whatever they say of it."""
    if old.status != new.status:
        return Comparison([Difference(Kind.STATUS, "", old.status, new.status)])
    if old.status >= 400 or (old.body == new.body and old.kind == new.kind):
        return Comparison()
    try:
        sides = read(old.kind, old.body, old.head), read(new.kind, new.body, new.head)
    except Unreadable:
        alike = old.body == new.body
        return Comparison() if alike else Comparison([Difference(Kind.BODY, "", _told(old), _told(new))])
    return _walked(*sides, rules)


def _walked(old: Any, new: Any, rules: Rules) -> Comparison:
    """Without recursion: what came may be nested as deep as its reader allows. Of millions of fields few are held."""
    found: list[Difference] = []
    largest, flipped = 0.0, False
    left = [iter([("", old, new)])]
    ignore = rules.ignore | (_ECHO if all(isinstance(one, dict) and "outputs" in one for one in (old, new)) else set())
    while left:
        place, one, other = next(left[-1], _END)
        if place is None:
            left.pop()
        elif _ignored(place, ignore):
            continue
        elif (below := _below(place, one, other)) is not None:
            left.append(below)
        else:
            largest = max(largest, _distance(one, other))
            if kind := _differs(one, other, rules.tolerance):
                flipped = flipped or kind is Kind.LABEL
                found += [Difference(kind, place, one, other)] if len(found) < _TOLD else []
    return Comparison(found, largest, flipped)


def _below(place: str, one: Any, other: Any) -> Pairs | None:
    """The parts of two values of the same form, to be compared each; None where they have none or differ in form."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = (*one, *(name for name in other if name not in one))
        return ((_at(place, _escaped(name)), one.get(name, ABSENT), other.get(name, ABSENT)) for name in names)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return ((_at(place, str(index)), *both) for index, both in enumerate(zip(one, other, strict=True)))
    return None


def _at(place: str, name: str) -> str:
    return f"{place}/{name}"[:_LONGEST]


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT = _Absent()
"""In the place of a field that only the other answer has."""


def _differs(one: Any, other: Any, tolerance: float) -> Kind | None:
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return Kind.FORM
    if _number(one) and _number(other):
        return _numbers(one, other, tolerance)
    if type(one) is not type(other):
        return Kind.FORM
    return None if one == other else Kind.LABEL


def _numbers(one: float, other: float, tolerance: float) -> Kind | None:
    """Whole numbers are classes, and these are the same or not; where one has a fraction, both are measures."""
    if isinstance(one, int) and isinstance(other, int):
        return None if one == other else Kind.LABEL
    first, second = _real(one), _real(other)
    if math.isnan(first) or math.isnan(second):
        return None if math.isnan(first) and math.isnan(second) else Kind.NUMBER
    return None if math.isclose(first, second, rel_tol=tolerance, abs_tol=_SMALLEST) else Kind.NUMBER


def _distance(one: Any, other: Any) -> float:
    """Of two measures; infinite ones and classes have none."""
    if not (_number(one) and _number(other)) or (isinstance(one, int) and isinstance(other, int)):
        return 0.0
    distance = abs(_real(one) - _real(other))
    return distance if math.isfinite(distance) else 0.0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _real(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _ignored(place: str, ignore: frozenset[str]) -> bool:
    return bool(place) and (place in ignore or place.rpartition("/")[2] in ignore)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _told(answer: Answer) -> str:
    """A text as it is, other bytes by their number."""
    try:
        return answer.body.decode()
    except UnicodeDecodeError:
        return f"{len(answer.body)} bytes of {answer.kind or 'unknown type'}"


def shown(difference: Difference, rules: Rules) -> Iterator[tuple[str, str]]:
    """``old`` and ``new`` as text, cut; hidden where the field is none that may be read."""
    known = rules.clear is None or bool(rules.clear & set(difference.field.split("/")))
    for side, value in (("old", difference.old), ("new", difference.new)):
        free = known or difference.kind is Kind.STATUS
        yield side, _cut(_word(value)) if free else "***"


def _word(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else repr(value) if isinstance(value, str) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"
