"""Write numbers in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mlserve.runtime.observe.histogram import Histogram

Labels = tuple[tuple[str, str], ...]
Value = float | Histogram


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name, kind, words, and a value for each set of labels."""

    name: str
    kind: str
    words: str
    values: Mapping[Labels, Value]


def one(name: str, kind: str, words: str, value: Value) -> Family:
    """A metric without labels of its own."""
    return Family(name, kind, words, {(): value})


def per(name: str, kind: str, words: str, label: str, values: Mapping[str, float] | Mapping[str, Histogram]) -> Family:
    """A metric with one label of its own."""
    return Family(name, kind, words, {((label, key),): value for key, value in values.items()})


def text(families: Iterable[Family], labels: Labels) -> str:
    """The metrics, each with these labels before its own."""
    lines: list[str] = []
    for family in families:
        words = family.words.replace("\\", r"\\").replace("\n", r"\n")
        lines += [f"# HELP {family.name} {words}", f"# TYPE {family.name} {family.kind}"]
        for own, value in list(family.values.items()):
            lines += _lines(family.name, _written((*labels, *own)), value)
    return "\n".join(lines) + "\n"


def _lines(name: str, labels: str, value: Value) -> Iterator[str]:
    if not isinstance(value, Histogram):
        yield f"{name}{{{labels}}} {_number(value)}"
        return
    so_far, counts = 0, list(value.counts)
    for bound, count in zip((*value.bounds, "+Inf"), counts, strict=True):
        so_far += count
        yield f'{name}_bucket{{{labels},le="{bound}"}} {so_far}'
    yield f"{name}_sum{{{labels}}} {value.total:.9g}"
    yield f"{name}_count{{{labels}}} {so_far}"


def _written(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.15g}"
