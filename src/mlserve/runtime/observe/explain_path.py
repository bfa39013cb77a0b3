"""``POST /explain``: the bodies of /eval, answered with explanations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import JSON, Request
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.observe.explain import Explainer
from mlserve.runtime.observe.exposition import one, per
from mlserve.runtime.protocols.base import Call, Model, Reply, dump_json
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.scheduling.dispatch import Dispatcher
from mlserve.runtime.scheduling.plan import Plan

_WAITING = 8


class ExplainPath:
    """A request format with one path."""

    def __init__(self, model: Model) -> None:
        self._eval = Eval(model)

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        return {"/explain": self._decode}

    def read(self) -> Mapping[str, Callable[[], Any]]:
        return {}

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        return {}

    def error(self, error: InvalidInput) -> bytes:
        return self._eval.error(error)

    def _decode(self, request: Request) -> Call:
        call = self._eval.decode(request)
        call.encode = _written
        return call


def _written(explained: Mapping[str, Any]) -> Reply:
    return dump_json(dict(explained)), JSON, b""


def explaining(explainer: Explainer, shown: Metrics) -> tuple[Metrics, Dispatcher]:
    """A queue and a slot of its own, so that predictions never wait for it; what it does is shown apart."""
    metrics = Metrics(shown.service, shown.version)
    dispatcher = Dispatcher(explainer, explainer.metadata(), Plan(slots=1, waiting=_WAITING), metrics)
    shown.families.append(
        lambda: [
            one("mlserve_explain_seconds", "histogram", "From a request for an explanation to it.", metrics.total),
            per("mlserve_explain_failures_total", "counter", "By reason.", "reason", dict(metrics.failures)),
        ]
    )
    return metrics, dispatcher
