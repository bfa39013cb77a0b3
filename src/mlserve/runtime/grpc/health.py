"""grpc.health.v1: whether the instance answers, asked once or watched."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mlserve.runtime.grpc.calls import One
from mlserve.runtime.grpc.status import NOT_FOUND, Refused
from mlserve.runtime.protobuf import Package

if TYPE_CHECKING:
    from mlserve.runtime.app import App

_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3
_SERVICES = ("", "inference.GRPCInferenceService")
_EVERY = 0.25
"""Seconds between two looks of a watch."""


class Health:
    """Of the server as a whole, of the inference service, or of the model by its name."""

    def __init__(self, app: App, service: str) -> None:
        self._app = app
        self._known = (*_SERVICES, service)

    def check(self, package: Package, asked: Any) -> Any:
        if self._status(asked.service) == _SERVICE_UNKNOWN:
            raise Refused(NOT_FOUND, f'no service "{asked.service}" here')
        return package.messages["HealthCheckResponse"](status=self._status(asked.service))

    def watch(self, package: Package, call: One, message: bytes | memoryview) -> None:
        """Say how it is, and again whenever that changes."""
        asked = package.messages["HealthCheckRequest"].FromString(bytes(message))
        loop, said, timer = asyncio.get_running_loop(), 0, None

        def look() -> None:
            nonlocal said, timer
            now = self._status(asked.service)
            if now != said:
                said = now
                call.send(package.messages["HealthCheckResponse"](status=now).SerializeToString())
            timer = loop.call_later(_EVERY, look)

        def stop() -> None:
            if timer is not None:
                timer.cancel()

        call.stream.lasting = True
        call.on_gone = stop
        look()

    def _status(self, service: str) -> int:
        if service not in self._known:
            return _SERVICE_UNKNOWN
        return _SERVING if self._app.ready else _NOT_SERVING
