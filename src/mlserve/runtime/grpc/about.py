"""The methods about the server and its model: what HTTP's paths say, as messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

from mlserve.errors import InvalidInput
from mlserve.runtime.grpc import status
from mlserve.runtime.grpc.requests import check_model
from mlserve.runtime.grpc.status import Refused
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.protocols.model_config import model_config
from mlserve.runtime.protocols.v2 import V2

if TYPE_CHECKING:
    from mlserve.runtime.app import App

_NO_SHARED_MEMORY = (
    "shared memory is not offered here: send tensors in raw_input_contents and take them from the answer"
)
_NO_TRACE = "tracing is not set from here: write it into the descriptor (tracing: {endpoint, percent})"
_NO_LOG = "logging is not set from here: the instance logs to its own output (mlserve logs)"


class About:
    """Answers from the instance itself; nothing here waits."""

    def __init__(self, app: App, messages: Mapping[str, Any], metrics: Metrics) -> None:
        self._app, self._messages, self._metrics = app, messages, metrics
        self.methods: dict[str, Callable[[Any], Any]] = {
            "ServerLive": lambda _: messages["ServerLiveResponse"](live=True),
            "ServerReady": lambda _: messages["ServerReadyResponse"](ready=app.ready),
            "ServerMetadata": self._server,
            "ModelReady": self._ready,
            "ModelMetadata": self._metadata,
            "ModelConfig": self._config,
            "ModelStatistics": self._statistics,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
            "SystemSharedMemoryStatus": lambda _: messages["SystemSharedMemoryStatusResponse"](),
            "SystemSharedMemoryRegister": _refusing(_NO_SHARED_MEMORY),
            "SystemSharedMemoryUnregister": lambda _: messages["SystemSharedMemoryUnregisterResponse"](),
            "CudaSharedMemoryStatus": lambda _: messages["CudaSharedMemoryStatusResponse"](),
            "CudaSharedMemoryRegister": _refusing(_NO_SHARED_MEMORY),
            "CudaSharedMemoryUnregister": lambda _: messages["CudaSharedMemoryUnregisterResponse"](),
            "TraceSetting": _refusing(_NO_TRACE),
            "LogSettings": _refusing(_NO_LOG),
        }

    def _server(self, _: Any) -> Any:
        from mlserve.runtime.app import about_server

        return self._filled("ServerMetadataResponse", about_server())

    def _ready(self, asked: Any) -> Any:
        model = self._app.model
        if model is None:
            return self._messages["ModelReadyResponse"](ready=False)
        check_model(model, asked.name, asked.version)
        return self._messages["ModelReadyResponse"](ready=self._app.ready)

    def _metadata(self, asked: Any) -> Any:
        return self._filled("ModelMetadataResponse", V2(self._model(asked.name, asked.version)).metadata())

    def _config(self, asked: Any) -> Any:
        config = model_config(self._model(asked.name, asked.version))
        return self._filled("ModelConfigResponse", {"config": config})

    def _statistics(self, asked: Any) -> Any:
        model = self._loaded()
        self._model(asked.name or model.service, asked.version)
        return self._filled("ModelStatisticsResponse", {"model_stats": [self._metrics.statistics()]})

    def _index(self, asked: Any) -> Any:
        model, ready = self._loaded(), self._app.ready
        if asked.ready and not ready:
            return self._messages["RepositoryIndexResponse"]()
        state, reason = ("READY", "") if ready else ("UNAVAILABLE", "the instance is about to end")
        about = {"name": model.service, "version": str(model.version), "state": state, "reason": reason}
        return self._filled("RepositoryIndexResponse", {"models": [about]})

    def _load(self, asked: Any) -> Any:
        self._model(asked.model_name, "")
        if asked.parameters:
            raise InvalidInput("a model is not changed while it is served; update the service instead: mlserve update")
        return self._messages["RepositoryModelLoadResponse"]()

    def _unload(self, asked: Any) -> Any:
        model = self._model(asked.model_name, "")
        raise InvalidInput(f'"{model.service}" is what this instance serves; stop the service: mlserve stop')

    def _model(self, name: str, version: str) -> Model:
        model = self._loaded()
        check_model(model, name, version)
        return model

    def _loaded(self) -> Model:
        if self._app.model is None:
            raise Refused(status.UNAVAILABLE, "the model is still being loaded")
        return self._app.model

    def _filled(self, name: str, values: Mapping[str, Any]) -> Any:
        """The message with what HTTP would say in JSON; what only HTTP says is left out."""
        return json_format.ParseDict(dict(values), self._messages[name](), ignore_unknown_fields=True)


def _refusing(words: str) -> Callable[[Any], Any]:
    def refuse(_: Any) -> Any:
        raise Refused(status.UNIMPLEMENTED, words)

    return refuse
