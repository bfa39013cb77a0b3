"""Keep a sample of requests and their answers: JSON lines in a folder, or in S3."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import orjson

from mlserve.runtime.observe.exchange import Exchange
from mlserve.runtime.observe.record import record
from mlserve.runtime.observe.trace_context import Trace

_PARTS = 1_000_000


class Destination(Protocol):
    """Where lines are kept."""

    def write(self, lines: bytes) -> None:
        """Whole lines, one or more."""

    def tick(self) -> None:
        """Time has passed: what waits too long goes out."""

    def close(self) -> None:
        """Everything goes out."""

    @property
    def where(self) -> str:
        """For people."""


class Capture:
    """A request with an id is kept or not by its id, so that every service on its way keeps the same ones."""

    tensors: ClassVar[bool] = True

    def __init__(self, wished: Mapping[str, Any], to: Destination) -> None:
        self._share = float(wished.get("percent") or 0) / 100
        fields = wished.get("fields")
        self._clear = None if fields is None else frozenset(fields)
        self._to = to
        self._kept = 0

    def wants(self, headers: Mapping[bytes, bytes], trace: Trace | None) -> bool:
        if self._share >= 1:
            return True
        name = headers.get(b"x-request-id")
        if name:
            return zlib.crc32(name) % _PARTS < self._share * _PARTS
        return random.random() < self._share  # noqa: S311 - a sample, not a secret

    def take(self, exchanges: list[Exchange], clock: float) -> None:
        for exchange in exchanges:
            self._to.write(orjson.dumps(record(exchange, clock, self._clear)) + b"\n")
        self._kept += len(exchanges)

    def tick(self) -> None:
        self._to.tick()

    def close(self) -> None:
        self._to.close()

    def state(self) -> dict[str, Any]:
        return {"capture": {"percent": self._share * 100, "to": self._to.where, "kept": self._kept}}
