"""mlserve: turn a trained model and a service.json into a served, supervised, scalable endpoint.

``client = mlserve.connect(); service = client.services.create("service.json"); service.predict({"age": 27})``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlserve.client import Client, Service, connect
    from mlserve.errors import (
        Conflict,
        Denied,
        EnvironmentFailed,
        FetchFailed,
        Forbidden,
        GatewayFailed,
        HubStartFailed,
        HubUnreachable,
        InvalidDescriptor,
        InvalidInput,
        MlserveError,
        NoCapacity,
        NotFound,
        RequestFailed,
        StartFailed,
        TimedOut,
        UpdateFailed,
    )
    from mlserve.predictor import Predictor

__version__ = "0.1.0"

__all__ = [
    "Client",
    "Conflict",
    "Denied",
    "EnvironmentFailed",
    "FetchFailed",
    "Forbidden",
    "GatewayFailed",
    "HubStartFailed",
    "HubUnreachable",
    "InvalidDescriptor",
    "InvalidInput",
    "MlserveError",
    "NoCapacity",
    "NotFound",
    "Predictor",
    "RequestFailed",
    "Service",
    "StartFailed",
    "TimedOut",
    "UpdateFailed",
    "connect",
]

_HOMES = {"Client": "client", "Service": "client", "connect": "client", "Predictor": "predictor"}


def __getattr__(name: str) -> Any:
    # Names arrive when they are first asked for, so that `import mlserve` costs nothing.
    if name not in __all__:
        raise AttributeError(f"module 'mlserve' has no attribute {name!r}")
    return getattr(import_module(f"mlserve.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
