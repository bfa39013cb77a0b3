"""What a conversion is made of. Words only: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlserve.runtime.processors.base import Arrays, Loaded, Metadata


def brief(problem: object, most: int = 120) -> str:
    """An error's words, or any others, as one short line."""
    words = " ".join(str(problem).split())
    words = words.partition(". ")[0] if isinstance(problem, BaseException) else words
    words = words if len(words) <= most else words[: most - 1].rsplit(" ", 1)[0] + "…"
    return f"{type(problem).__name__}: {words}" if isinstance(problem, BaseException) else words


class CannotConvert(Exception):
    """This model stays as it is; the message says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be converted."""

    path: Path
    """The model's own file or folder, as the native processor would be given it."""
    config: dict[str, Any]
    native: Callable[[], Loaded]
    """The native processor with the model loaded, the same one each time; loading it takes as long as its library."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What the model tells of an input, or of one column of it: values worth asking, and where ordinary ones lie."""

    values: tuple[Any, ...] = ()
    """Thresholds and bounds of a number, the words of a category."""
    center: float = 0.0
    spread: float = 1.0
    whole: int | None = None
    """The model takes whole numbers from 0 up to here, and nothing else."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Questions with their answers, as the model's own file brings them."""

    inputs: Arrays
    outputs: Arrays
    tolerance: float = 1e-4


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to write the model as ONNX, its inputs and outputs in the native processor's order."""

    model: Any
    """An ``onnx.ModelProto``."""
    hints: Mapping[str, tuple[Hint, ...]] = field(default_factory=dict)
    """Native input name → a hint for each column of its last axis, or one for all of them."""
    metadata: Metadata | None = None
    """As the native processor would say it: for a format that can tell without its library."""
    evidence: Evidence | None = None
    absent: Mapping[str, Any] = field(default_factory=dict)
    """Optional input → what the graph takes for it where it is left out."""
    rows: Mapping[str, Any] = field(default_factory=dict)
    """Native input name → values that the model has seen, row by row."""
    huge: bool = False
    """Its answers to numbers far beyond all others are more than the rounding of its library."""
    tabular: bool = True
    """Missing and far-off numbers mean something to such a model; a network has no rule for them."""
    notes: tuple[str, ...] = ()
