"""The Open Inference Protocol (V2) besides inference: configuration, statistics, repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.protocols.base import Call, Model, simple_error
from mlserve.runtime.protocols.repository import Repository
from mlserve.runtime.protocols.v2 import v2_bases

EXTENSIONS = (
    "binary_tensor_data", "classification", "generate", "model_configuration", "model_repository", "parameters",
    "schedule_policy", "sequence", "statistics",
)  # fmt: skip
"""What the server's metadata may truly say."""


class V2Control:
    """Asked by those who operate and measure."""

    def __init__(self, model: Model, metrics: Metrics, ready: Callable[[], bool]) -> None:
        self._model, self._metrics = model, metrics
        self._repository = Repository(model, ready)

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        return {}

    def read(self) -> Mapping[str, Callable[[], Any]]:
        bases = v2_bases(self._model)
        statistics = ["/v2/models/stats", *(f"{base}/stats" for base in bases)]
        return dict.fromkeys(statistics, self.statistics) | {f"{base}/config": self.config for base in bases}

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        own = f"/v2/repository/models/{self._model.service}"
        repository = self._repository
        return {
            "/v2/repository/index": repository.index,
            f"{own}/load": repository.load,
            f"{own}/unload": repository.unload,
        }

    def error(self, error: InvalidInput) -> bytes:
        return simple_error(error)

    def config(self) -> Any:
        from mlserve.runtime.protocols.model_config import model_config  # few ask

        return model_config(self._model)

    def statistics(self) -> Any:
        return {"model_stats": [self._metrics.statistics()]}
