"""What a request says besides its tensors: parameters by the words that the protocol keeps for itself, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Sequence

RESERVED = frozenset(
    ("sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "binary_data_output", "headers")
)
"""Parameters that the protocol gives a meaning."""
_MOST = 2**64


def wishes(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a `Call`: parameters, identity, priority, timeout, sequence."""
    identity, parameters = asked.get("id"), asked.get("parameters")
    found: dict[str, Any] = {"identity": _identity(identity)} if identity is not None else {}
    if parameters is None:
        return found
    if not isinstance(parameters, Mapping):
        raise InvalidInput('"parameters" wants an object')
    found["parameters"] = {name: _plain(name, value) for name, value in parameters.items() if name not in RESERVED}
    if "priority" in parameters:
        found["priority"] = _whole("priority", parameters["priority"])
    if timeout := _whole("timeout", parameters.get("timeout", 0)):
        found["timeout"] = timeout / 1e6
    identity = parameters.get("sequence_id")
    if identity is not None and (sequence := _sequence(identity, parameters)):
        found["sequence"] = sequence
    return found


def _identity(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise InvalidInput('"id" wants text')


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, str | bool | int | float):
        return value
    raise InvalidInput(f'parameter "{name}" wants text, a number or true/false')


def _whole(name: str, value: Any) -> int:
    if type(value) is int and 0 <= value < _MOST:
        return value
    raise InvalidInput(f'parameter "{name}" wants a whole number of at least 0; came {str(value)[:40]!r}')


def _sequence(identity: Any, parameters: Mapping[str, Any]) -> Sequence | None:
    if not isinstance(identity, str):
        identity = _whole("sequence_id", identity)
    flags = [parameters.get(name, False) for name in ("sequence_start", "sequence_end")]
    if any(type(flag) is not bool for flag in flags):
        raise InvalidInput('parameters "sequence_start" and "sequence_end" want true or false')
    return Sequence(identity, *flags) if identity else None
