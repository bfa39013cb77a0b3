"""Give a user's classes ``self.metrics``, whatever they are written for."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mlserve.runtime.processors.base import Processor

if TYPE_CHECKING:
    from mlserve.runtime.metrics import Metrics
    from mlserve.runtime.observe.user_metrics import UserMetrics

_METHODS = ("predict", "process", "stream", "preprocess", "postprocess")


class Offered:
    """An attribute that a class of one's own may still assign, as it could without us."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __get__(self, instance: Any, owner: Any = None) -> UserMetrics:
        return self._metrics.user


def offer_metrics(module: ModuleType, metrics: Metrics | None) -> None:
    """Every class of the module that answers requests has them, already in its ``__init__``."""
    if metrics is None:
        return
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if cls.__module__ != module.__name__ or not any(callable(getattr(cls, name, None)) for name in _METHODS):
            continue
        taken = inspect.getattr_static(cls, "metrics", None)
        if taken is None or taken is Processor.__dict__["metrics"]:
            setattr(cls, "metrics", Offered(metrics))  # noqa: B010 - no type says that a user's class has one
