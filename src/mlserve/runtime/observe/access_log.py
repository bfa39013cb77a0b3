"""One JSON line in the log for each inference request: who waited how long for what, and nothing of what was said."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, TextIO

import orjson

from mlserve.runtime.observe.exchange import Exchange
from mlserve.runtime.observe.trace_context import Trace


class AccessLog:
    """Bodies, headers and query strings are left out on purpose: they hold what people keep secret."""

    tensors: ClassVar[bool] = False

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    def wants(self, headers: Mapping[bytes, bytes], trace: Trace | None) -> bool:
        return True

    def take(self, exchanges: list[Exchange], clock: float) -> None:
        lines = [orjson.dumps(line(exchange, clock)).decode() for exchange in exchanges]
        self._out.write("\n".join(lines) + "\n")
        self._out.flush()

    def tick(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Every line is written."""

    def state(self) -> dict[str, Any]:
        return {}


def line(exchange: Exchange, clock: float) -> dict[str, Any]:
    """The fields of one line."""
    started = exchange.started
    return {
        "event": "request",
        "at": datetime.fromtimestamp(exchange.began + clock, UTC).isoformat(timespec="milliseconds"),
        "protocol": exchange.protocol,
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
        "ms": round((exchange.ended - exchange.began) * 1000, 3),
        "queue_ms": round((started - exchange.submitted) * 1000, 3) if started else None,
        "rows": exchange.rows or None,
        "batch": exchange.batch or None,
        "id": name_of(exchange) or None,
        "trace": exchange.trace.identity if exchange.trace else None,
        "received": exchange.received,
        "sent": exchange.sent,
    }


def name_of(exchange: Exchange) -> str:
    """The id that the request itself carries, else the one its way through the gateway gave it."""
    return exchange.identity or exchange.headers.get(b"x-request-id", b"").decode("latin-1")
