"""Watch whether what comes still looks like a reference sample: a window of the newest rows, column by column."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mlserve.runtime.observe.columns import match
from mlserve.runtime.observe.exchange import Exchange
from mlserve.runtime.observe.exposition import Family, Labels, one
from mlserve.runtime.observe.libraries import needed
from mlserve.runtime.observe.samples import read_sample
from mlserve.runtime.observe.trace_context import Trace
from mlserve.runtime.observe.window import Watched
from mlserve.runtime.processors.base import Metadata
from mlserve.runtime.report import log
from mlserve.runtime.tensors import Array

REQUIREMENTS: tuple[str, ...] = ("scipy>=1.10",)

_REFERENCE = 5_000
_BUDGET = 0.005
"""The share of one core that looking may take; what it costs the event loop comes on top."""
_ENOUGH = 100
"""Requests a second: a window is full in seconds, and more would only cost."""
_REFUSED = 400
_EXPLAINED = "/explain"
"""What is explained has mostly been predicted, and counted, already."""
_EVERY_SECONDS = 2.0
_SPARSEST = 1 << 16


class Drift:
    """Requests are sampled, the more sparsely the dearer they are to look at."""

    tensors: ClassVar[bool] = True

    def __init__(self, wished: Mapping[str, Any], metadata: Metadata) -> None:
        _load_scipy()
        sample = read_sample(Path(str(wished["reference"])), _REFERENCE)
        self._window = int(wished.get("window") or 500)
        found = match(sample, metadata, wished.get("fields"))
        self._watched = [Watched(column, self._window) for column in found]
        self._threshold = float(wished.get("threshold") or 0.01)
        self._limit = self._threshold / len(found)  # many columns are many chances to be wrong
        self._every = self._count = 1
        self._judged = self._last = self.rows = 0
        self._compared = self._looked = time.monotonic()
        self._cost = 0.0

    def wants(self, headers: Mapping[bytes, bytes], trace: Trace | None) -> bool:
        self._count -= 1
        if self._count:
            return False
        self._count = self._every
        return True

    def take(self, exchanges: list[Exchange], clock: float) -> None:
        begun = time.thread_time()
        exchanges = [one for one in exchanges if one.status < _REFUSED and one.path != _EXPLAINED]
        rows = [_rows(exchange) for exchange in exchanges]
        for watched in self._watched:
            column = watched.column
            parts = [side[column.output][column.tensor] for side in rows if column.tensor in side[column.output]]
            values = [flat[:, column.at] for flat in parts if flat.shape[1] > column.at]
            if values:
                watched.add(_fitting(np.concatenate(values), words=watched.words))
        self.rows += sum(exchange.rows for exchange in exchanges)
        self._adapt(len(exchanges), time.thread_time() - begun)

    def tick(self) -> None:
        now = time.monotonic()
        due = max(_EVERY_SECONDS, self._cost / _BUDGET * 2)
        if now - self._compared < due or self.rows == self._last:
            return
        begun = time.thread_time()
        self._compare()
        self._compared, self._last, self._cost = now, self.rows, time.thread_time() - begun

    def close(self) -> None:
        """Nothing is kept."""

    def state(self) -> dict[str, Any]:
        names = [watched.column.name for watched in self._watched]
        return {"drift": {"columns": names, "window": self._window, "threshold": self._threshold}}

    def report(self) -> dict[str, Any]:
        """What `GET /drift` answers."""
        columns = {
            watched.column.name: {
                "score": round(watched.score, 6),
                "chance": float(f"{watched.chance:.3g}"),
                "detected": watched.detected,
                "rows": watched.rows,
            }
            for watched in self._watched
        }
        detected = [name for name, found in columns.items() if found["detected"]]
        told = {"detected": bool(detected), "columns": columns, "window": self._window, "rows": self.rows}
        return {**told, "sampled": f"1 of {self._every} requests"}

    def families(self) -> list[Family]:
        def by_input(read: str) -> Mapping[Labels, float]:
            return {(("input", w.column.name),): float(getattr(w, read)) for w in self._watched if w.rows}

        return [
            Family(
                "mlserve_drift_score", "gauge", "Distance of the newest rows from the reference.", by_input("score")
            ),
            Family("mlserve_drift_detected", "gauge", "1: two whole windows in a row drifted.", by_input("detected")),
            one("mlserve_drift_rows_total", "counter", "Rows that were compared.", self.rows),
        ]

    def _compare(self) -> None:
        whole = self.rows - self._judged >= self._window
        for watched in self._watched:
            if watched.rows < min(self._window, 20):
                continue
            watched.compare()
            if whole and watched.judge(self._limit):
                state = "detected" if watched.detected else "over"
                log("drift", input=watched.column.name, state=state, score=round(watched.score, 4))
        if whole:
            self._judged = self.rows

    def _adapt(self, count: int, cost: float) -> None:
        """Look at fewer requests where they are many, or looking costs more than its share; else at more."""
        now = time.monotonic()
        seconds = max(now - self._looked, 0.01)
        self._looked = now
        used = max(count / seconds / _ENOUGH, cost / seconds / _BUDGET)
        if used > 1:
            self._every = min(_SPARSEST, self._every * 2)
        elif used < 1 / 4 and self._every > 1:
            self._every //= 2


def _rows(exchange: Exchange) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs and outputs, each row flat."""
    inputs, outputs = exchange.inputs or {}, exchange.outputs or {}
    return _flat(inputs), _flat(outputs)


def _flat(arrays: Mapping[str, Any]) -> dict[str, Array]:
    kept = {name: array for name, value in arrays.items() if (array := np.asarray(value)).size}
    return {name: array.reshape(len(array) if array.ndim else 1, -1) for name, array in kept.items()}


def _fitting(values: Array, *, words: bool) -> Array:
    if words:
        return np.asarray([_text(value) for value in values.tolist()], dtype=np.object_)
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):  # text where the sample has numbers: as different as can be
        return np.full(len(values), np.nan)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _load_scipy() -> None:
    with needed("monitor.drift", REQUIREMENTS):
        from scipy import special  # noqa: F401 - before the first request, which must not wait for it
