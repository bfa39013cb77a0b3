"""How a container says that it is ready, in the words of Kubernetes, which EAS passes on."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from mlserve.descriptor.base import Words
from mlserve.descriptor.units import Whole

UNTIMED = {
    "initial_delay_seconds": "it is asked from the start on, and what it answers too early does no harm",
    "period_seconds": "the hub asks as often as it takes until startup_timeout, and the gateway once a second",
    "timeout_seconds": "the hub and the gateway have their own patience",
    "success_threshold": "one good answer is enough",
    "failure_threshold": "the start may take until startup_timeout, and the gateway leaves out what fails three times",
    "termination_grace_period_seconds": "metadata.eas.termination_grace_period says how long an instance may drain",
}
"""Fields that are accepted and change nothing, with the reason."""
REFUSED = {
    "exec": "commands as health checks; http_get and tcp_socket are asked from outside",
    "grpc": "gRPC health checks; tcp_socket tells an open port",
    "http_get.http_headers": "health checks with headers; name a path that answers without",
    "http_get.host": "health checks of other hosts; it is the container itself that is asked",
}
"""Fields that would change what ready means, with what they take."""


def _spelled(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _both_spellings(schema: dict[str, Any]) -> None:
    own = schema["properties"]
    if "http_get" in own:
        own |= {name: {"description": f"Accepted and not applied: {why}."} for name, why in UNTIMED.items()}
    own |= {_spelled(name): value for name, value in own.items() if _spelled(name) != name}


class _Spelled(Words):
    """Fields may be written as Kubernetes does, too: `shapes` brings both to one form."""

    model_config = ConfigDict(json_schema_extra=_both_spellings)


def _number(value: Any) -> Any:
    if isinstance(value, str) and not value.strip().isdecimal():
        raise ValueError("has to be the port's number: a container's ports have no names here")
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/") or any(not "!" <= letter <= "~" for letter in value):
        raise ValueError("has to begin with / and be written as in a request")
    return value


Port = Annotated[Whole, BeforeValidator(_number)]


class HttpGet(_Spelled):
    """Asks for a page."""

    path: Annotated[str, AfterValidator(_absolute)] = Field(default="/", max_length=2048)
    """What is asked for; an answer from 200 to 399 says ready."""
    port: Port | None = Field(default=None, ge=1, le=65_535)
    """Where; unset: the container's own port."""
    scheme: Annotated[Literal["HTTP"], BeforeValidator(lambda value: str(value).upper())] = "HTTP"
    """Only HTTP is asked."""


class TcpSocket(_Spelled):
    """Asks whether something listens."""

    port: Port | None = Field(default=None, ge=1, le=65_535)
    """Where; unset: the container's own port."""


class HealthCheck(_Spelled):
    """When a container is ready: asked from outside, through its port."""

    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
