"""The outputs of one call that several requests share: each sees its own rows, cut out when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlserve.runtime.tensors import Array


class Whole:
    """All rows."""

    __slots__ = ("outputs", "rows", "written")

    def __init__(self, outputs: Mapping[str, Array], rows: int) -> None:
        self.outputs, self.rows = outputs, rows
        self.written: dict[object, list[Any]] = {}
        """Answers by row, by who wrote them."""


class Share(Mapping[str, Array]):
    """The rows of one request, from ``start`` to before ``end``."""

    __slots__ = ("end", "start", "whole")

    def __init__(self, whole: Whole, start: int, end: int) -> None:
        self.whole, self.start, self.end = whole, start, end

    def __getitem__(self, name: str) -> Array:
        return self.whole.outputs[name][self.start : self.end]

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole.outputs)

    def __len__(self) -> int:
        return len(self.whole.outputs)

    def __contains__(self, name: object) -> bool:
        return name in self.whole.outputs
