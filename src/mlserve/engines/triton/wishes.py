"""Settle who decides what: the options that a descriptor gives, those that are ours, and what is said of both. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlserve.descriptor import Descriptor
from mlserve.descriptor.repositories import OPTIONS, read_by_the_server
from mlserve.engines.triton.arguments import Argument, read
from mlserve.engines.triton.options import options
from mlserve.errors import Detail, InvalidDescriptor

_REPOSITORY = tuple(option.removeprefix("--") for option in OPTIONS)
_PORT = "each instance gets ports of its own"
_ADDRESS = "an instance listens where the gateway reaches it"
_FRONT = "requests come through the gateway"
TAKEN_OVER = {
    "http-port": _PORT,
    "grpc-port": _PORT,
    "metrics-port": _PORT,
    "reuse-http-port": _PORT,
    "reuse-grpc-port": _PORT,
    "http-address": _ADDRESS,
    "grpc-address": _ADDRESS,
    "metrics-address": _ADDRESS,
    "grpc-use-ssl": _FRONT,
    "grpc-use-ssl-mutual": _FRONT,
    "grpc-server-cert": _FRONT,
    "grpc-server-key": _FRONT,
    "grpc-root-cert": _FRONT,
    "allow-sagemaker": _FRONT,
    "sagemaker-port": _FRONT,
    "sagemaker-safe-port-range": _FRONT,
    "sagemaker-thread-count": _FRONT,
    "allow-vertex-ai": _FRONT,
    "vertex-ai-port": _FRONT,
    "vertex-ai-thread-count": _FRONT,
    "vertex-ai-default-model": _FRONT,
    "backend-directory": "it is that of the server which runs",
}
"""Options that mlserve sets itself, or leaves out → why."""


@dataclass(frozen=True, slots=True)
class Wished:
    """What a descriptor asks of its server."""

    kept: tuple[str, ...] = ()
    """Arguments that reach the server as they are."""
    repositories: tuple[str, ...] = ()
    """Pointers of the repositories, those of ``paths_of``."""
    read_by_server: tuple[str, ...] = ()
    """Addresses that the server reads itself."""
    named: frozenset[str] = frozenset()
    """The names of all kept options."""
    grpc: bool = True
    metrics: bool = True
    strict: bool = False
    """One bad model is to take the others down."""
    warnings: tuple[Detail, ...] = field(default=())


def wished(descriptor: Descriptor, *, lenient: bool = False) -> Wished:
    """Raises InvalidDescriptor with every mistake; ``lenient``: another version of the server may know more options."""
    found = read(descriptor.processor_params, options())
    errors = [*found.errors, *([] if lenient else found.unknown)]
    places = _repositories(found.arguments, descriptor)
    if not places and not descriptor.model_path:
        errors.append(_nothing())
    if errors:
        raise _refusal(errors)
    kept = [one for one in found.arguments if one.name not in (*TAKEN_OVER, *_REPOSITORY) and not _in_the_way(one)]
    off = {one.name for one in kept if one.off}
    strict = any(one.name == "exit-on-error" and not one.off for one in kept)
    return Wished(
        kept=tuple(map(str, kept)),
        repositories=(*(["/model_path"] if descriptor.model_path else []), *places),
        read_by_server=_read_by_server(found.arguments, descriptor),
        named=frozenset(one.name for one in kept),
        grpc="allow-grpc" not in off,
        metrics="allow-metrics" not in off,
        strict=strict,
        warnings=(*_warnings(found.arguments), *(_maybe(one) for one in found.unknown)),
    )


def _repositories(arguments: Sequence[Argument], descriptor: Descriptor) -> tuple[str, ...]:
    """Pointers, at the item that holds the address: that of the option, or the one after it."""
    params = descriptor.processor_params
    here = [one for one in arguments if one.name in _REPOSITORY]
    return tuple(f"/processor_params/{one.place + int('=' not in params[one.place])}" for one in here)


def _read_by_server(arguments: Sequence[Argument], descriptor: Descriptor) -> tuple[str, ...]:
    addresses = [one.value or "" for one in arguments if one.name in _REPOSITORY]
    return tuple(one for one in addresses if read_by_the_server(descriptor.processor_params, one))


def _in_the_way(argument: Argument) -> bool:
    return argument.name == "allow-http" and argument.off


def _warnings(arguments: Sequence[Argument]) -> list[Detail]:
    found = []
    for one in arguments:
        if one.name in TAKEN_OVER and not (one.off and one.name.startswith(("allow-", "grpc-use", "reuse-"))):
            found.append(_warning(one, f"{one} is not applied: {TAKEN_OVER[one.name]}"))
        elif _in_the_way(one):
            found.append(_warning(one, f"{one} is not applied: health and requests through the gateway go over HTTP"))
        elif one.name == "log-file":
            found.append(_warning(one, f"{one} is applied: mlserve logs then has nothing of what the server writes"))
    return found


def _warning(argument: Argument, message: str) -> Detail:
    return {"pointer": f"/processor_params/{argument.place}", "code": "taken-over", "message": message}


def _maybe(unknown: Detail) -> Detail:
    return {**unknown, "message": f"{unknown['message']}; the image may hold a version that has it"}


def _nothing() -> Detail:
    message = "triton needs a model repository: --model-repository=PATH among processor_params, or model_path"
    return {"pointer": "/processor_params", "code": "missing", "message": message}


def _refusal(errors: Sequence[Detail]) -> InvalidDescriptor:
    nearest = next((str(error["nearest"]) for error in errors if error.get("nearest")), "")
    hint = f'did you mean "{nearest}"?' if nearest else f"tritonserver {options().version} has its own --help"
    return InvalidDescriptor("; ".join(str(error["message"]) for error in errors), hint=hint, details=list(errors))
