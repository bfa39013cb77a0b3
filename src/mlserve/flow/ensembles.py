"""What an ensemble gives, from what it is fed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlserve.flow.nodes import Port, Ports, Wire

METHODS = ("mean", "weighted", "vote")


def combined(config: Mapping[str, Any], fed: Mapping[str, Port | None]) -> Ports:
    """Its one output; raises ValueError where the inputs can't be combined so."""
    method = config.get("method", "weighted" if config.get("weights") else "mean")
    if method not in METHODS:
        raise ValueError(f'an ensemble\'s method is one of {", ".join(METHODS)}, not "{method}"')
    if len(fed) < 2:
        raise ValueError('an ensemble combines two inputs or more: "inputs": {"a": "first.score", "b": "second.score"}')
    weights = config.get("weights")
    if method == "weighted" and not _fits(weights, fed):
        raise ValueError(f"weights wants a number for each of {', '.join(fed)}; came {weights!r}")
    known = [port for port in fed.values() if port is not None]
    texts = [port.name for port in known if port.datatype == "BYTES"]
    if texts and method != "vote":
        raise ValueError(f"a {method} wants numbers, and {texts[0]} is text: vote counts words")
    shapes = [port.shape for port in known if port.shape is not None]
    for shape in shapes[1:]:
        if len(shape) != len(shapes[0]) or any(a > 0 < b and a != b for a, b in zip(shape, shapes[0], strict=True)):
            raise ValueError(f"all inputs want one shape; came {list(shapes[0])} and {list(shape)}")
    datatypes = {port.datatype for port in known if port.datatype}
    datatype = datatypes.pop() if len(datatypes) == 1 and len(known) == len(fed) else ""
    datatype = datatype if method == "vote" or datatype.startswith("FP") else "FP64" if datatype else ""
    return (Wire(str(config.get("output", "output")), datatype, shapes[0] if shapes else None),)


def _fits(weights: Any, fed: Mapping[str, Any]) -> bool:
    if isinstance(weights, Mapping):
        return weights.keys() == fed.keys() and all(_number(value) for value in weights.values())
    return isinstance(weights, list) and len(weights) == len(fed) and all(_number(value) for value in weights)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
