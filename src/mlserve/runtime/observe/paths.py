"""The paths of what is observed: drift, explanations, and EAS's path for metrics of other programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.observe.asked import Asked
from mlserve.runtime.protocols.base import Call, parse_json, simple_error

REALTIME = "/api/builtin/realtime_metrics"
PING = "/api/builtin/ping"
DRIFT = "/drift"
EXPLAIN = "/explain"
_THROUGH_THE_GATEWAY = (b"x-envoy-expected-rq-timeout-ms", b"x-forwarded-for", b"x-forwarded-proto", b"forwarded")


class _Closed(InvalidInput):
    """Not here."""

    code, status = "not-found", 404


class Observed:
    """Asked for rarely, so that little is imported before."""

    def __init__(self, metrics: Metrics, asked: Asked) -> None:
        self._metrics, self._asked = metrics, asked

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        return {}

    def read(self) -> Mapping[str, Callable[[], Any]]:
        found: dict[str, Callable[[], Any]] = {PING: lambda: {"ok": True}}
        return found if self._asked.drift is None else found | {DRIFT: self._asked.drift.report}

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        return {REALTIME: self._told} | ({EXPLAIN: _refused} if self._asked.explainer is None else {})

    def error(self, error: InvalidInput) -> bytes:
        return simple_error(error)

    def _told(self, request: Request) -> Any:
        if any(name in request.headers for name in _THROUGH_THE_GATEWAY):
            raise _Closed(f"{REALTIME} is for programs beside the instance; it is not open to callers of the service")
        from mlserve.runtime.observe.realtime import told

        return {"accepted": told(parse_json(request.body), self._metrics.user)}


def _refused(_request: Request) -> Any:
    raise _Closed('this service explains nothing: add "explain": true to its descriptor (tabular models)')
