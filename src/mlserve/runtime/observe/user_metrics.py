"""The metrics of a processor's own: ``self.metrics.counter("cache_hits").inc()``, from any thread."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import TypeVar

from mlserve.runtime.observe.exposition import Family, Labels, one
from mlserve.runtime.observe.histogram import SECONDS
from mlserve.runtime.observe.histogram import Histogram as Buckets

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OURS = ("mlserve_", "nv_", "process_", "__")
_TAKEN = ("service", "version", "le", "model")
_SERIES = 1000
_LONG = 256


class Counter:
    """Only grows."""

    __slots__ = ("_lock", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self._lock = threading.Lock()

    def inc(self, amount: float = 1.0) -> None:
        if amount < 0:
            raise ValueError(f"a counter only grows, and {amount:g} was added (use a gauge)")
        with self._lock:
            self.value += amount


class Gauge:
    """Goes up and down."""

    __slots__ = ("_lock", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self._lock = threading.Lock()

    def set(self, value: float) -> None:
        self.value = float(value)

    def inc(self, amount: float = 1.0) -> None:
        with self._lock:
            self.value += amount

    def dec(self, amount: float = 1.0) -> None:
        self.inc(-amount)


class Histogram:
    """Counts values in buckets; the usual ones are for seconds."""

    __slots__ = ("_lock", "value")

    def __init__(self, buckets: Sequence[float] = SECONDS) -> None:
        self.value = Buckets(tuple(sorted(buckets)))
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        with self._lock:
            self.value.observe(value)


Metric = Counter | Gauge | Histogram
_M = TypeVar("_M", Counter, Gauge, Histogram)


class UserMetrics:
    """Asking again for the same name and labels gives the same metric, so that it may be asked for in each request."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[type[Metric], str]] = {}
        self._series: dict[tuple[str, Labels], Metric] = {}
        self._lock = threading.Lock()
        self._beyond = 0

    def counter(self, name: str, description: str = "", **labels: str) -> Counter:
        return self._metric(Counter(), name, description, labels)

    def gauge(self, name: str, description: str = "", **labels: str) -> Gauge:
        return self._metric(Gauge(), name, description, labels)

    def labelled_gauge(self, name: str, labels: Mapping[str, str]) -> Gauge:
        """The same where labels come from outside: one may be called "name"."""
        return self._metric(Gauge(), name, "", labels)

    def histogram(
        self, name: str, description: str = "", buckets: Sequence[float] = SECONDS, **labels: str
    ) -> Histogram:
        return self._metric(Histogram(buckets), name, description, labels)

    def families(self) -> list[Family]:
        with self._lock:
            kinds, series = dict(self._kinds), dict(self._series)
        found: list[Family] = []
        for name, (kind, description) in kinds.items():
            values = {labels: metric.value for (of, labels), metric in series.items() if of == name}
            found.append(Family(name, kind.__name__.lower(), description or "By the processor.", values))
        if self._beyond:
            words = f"New series of the processor that were not kept: there are already {_SERIES}."
            found.append(one("mlserve_user_series_dropped_total", "counter", words, self._beyond))
        return found

    def _metric(self, fresh: _M, name: str, description: str, labels: Mapping[str, str]) -> _M:
        key = (name, tuple(sorted((label, str(value)[:_LONG]) for label, value in labels.items())))
        found = self._series.get(key)
        if found is None:
            found = self._add(fresh, key, description)
        if type(found) is not type(fresh):
            kind = type(found).__name__.lower()
            raise ValueError(f'the metric "{name}" is already a {kind}; give this one another name')
        return found

    def _add(self, fresh: Metric, key: tuple[str, Labels], description: str) -> Metric:
        name, labels = key
        _check(name, [label for label, _ in labels])
        with self._lock:
            kind, _ = self._kinds.setdefault(name, (type(fresh), description))
            if kind is not type(fresh):
                raise ValueError(
                    f'the metric "{name}" is already a {kind.__name__.lower()}; give this one another name'
                )
            if len(self._series) >= _SERIES and key not in self._series:
                self._beyond += 1
                return fresh  # counts for itself, and is shown to nobody: memory stays bounded
            return self._series.setdefault(key, fresh)


def _check(name: str, labels: Sequence[str]) -> None:
    for what, word in (("metric", name), *(("label", label) for label in labels)):
        if not _NAME.fullmatch(word) or len(word) > _LONG:
            raise ValueError(f"the {what} {word!r} is no name for Prometheus: letters, digits and _ are")
    if name.startswith(_OURS):
        raise ValueError(f'the metric "{name}" begins with {" or ".join(_OURS[:3])}, which are not the processor\'s')
    for label in labels:
        if label in _TAKEN:
            raise ValueError(f'the label "{label}" of "{name}" is already set by the instance; choose another')
