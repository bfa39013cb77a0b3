"""The model repository extension, for an instance that serves exactly one version of one model as long as it lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.protocols.base import Model, check_object, parse_json


class Repository:
    """``/v2/repository``: the index, and loading what is loaded already."""

    def __init__(self, model: Model, ready: Callable[[], bool]) -> None:
        self._model, self._ready = model, ready

    def index(self, request: Request) -> Any:
        asked = check_object(parse_json(request.body), "an object") if request.body.strip() else {}
        ready = self._ready()
        if asked.get("ready") and not ready:
            return []
        state, reason = ("READY", "") if ready else ("UNAVAILABLE", "the instance is about to end")
        return [{"name": self._model.service, "version": str(self._model.version), "state": state, "reason": reason}]

    def load(self, request: Request) -> Any:
        asked = check_object(parse_json(request.body), "an object") if request.body.strip() else {}
        if asked.get("parameters"):
            raise InvalidInput("a model is not changed while it is served; update the service instead: mlserve update")
        return {}

    def unload(self, _request: Request) -> Any:
        raise InvalidInput(f'"{self._model.service}" is what this instance serves; stop the service: mlserve stop')
