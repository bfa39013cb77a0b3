"""Walk a Sequential or Functional model from its inputs to its outputs, a layer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlserve.conversion.base import CannotConvert, Hint
from mlserve.conversion.graph import Graph
from mlserve.conversion.keras import layers, recurrent, spatial
from mlserve.conversion.keras.layers import Layer
from mlserve.conversion.keras.reading import Saved

_WRITERS = {**layers.WRITERS, **spatial.WRITERS, **recurrent.WRITERS}
_MODELS = ("Sequential", "Functional", "Model")


@dataclass(slots=True)
class Network:
    """A graph under construction, and what its layers tell of the inputs they are fed with."""

    graph: Graph
    hints: dict[str, tuple[Hint, ...]] = field(default_factory=dict)

    def whole(self, saved: Saved) -> list[str]:
        """The outputs of a model, its inputs added to the graph; they are called ``input:0``, ``input:1``, …"""
        inputs = []
        for number, config in enumerate(_inputs(saved)):
            shape: Any = config.get("batch_shape") or config.get("batch_input_shape")
            if not shape:
                raise CannotConvert("the model does not say how its inputs are shaped")
            dtype = np.dtype(_word(config.get("dtype")) or "float32")
            inputs.append(self.graph.input(f"input:{number}", dtype, list(shape)))
        if not inputs:
            raise CannotConvert("the model does not say what its inputs are")
        return self.build(saved, inputs)

    def build(self, saved: Saved, inputs: list[str]) -> list[str]:
        """The outputs of a model that is fed with these."""
        if saved.kind not in _MODELS:
            raise CannotConvert(f"it is a {saved.kind}, written in code of its own")
        if saved.kind == "Sequential":
            for config in saved.config["layers"]:
                if config["class_name"] != "InputLayer":
                    inputs = self._layer(saved, config, inputs)
            return inputs
        return self._functional(saved, inputs)

    def _functional(self, saved: Saved, inputs: list[str]) -> list[str]:
        """Each layer once for every time that it is called, as soon as all it wants is there."""
        made = dict(zip(_places(saved.config["input_layers"]), inputs, strict=True))
        waiting = [
            (config, number, list(_sources(call)))
            for config in saved.config["layers"]
            for number, call in enumerate(config.get("inbound_nodes") or ())
        ]
        while waiting:
            ready = [one for one in waiting if all(key in made for key in one[2])]
            if not ready:
                raise CannotConvert("its layers wait for one another")
            for config, number, sources in ready:
                outputs = self._layer(saved, config, [made[key] for key in sources])
                made |= {(config["config"]["name"], number, index): name for index, name in enumerate(outputs)}
            waiting = [one for one in waiting if one not in ready]
        return [made[key] for key in _places(saved.config["output_layers"])]

    def _layer(self, saved: Saved, config: dict[str, Any], inputs: list[str]) -> list[str]:
        kind, own = config["class_name"], config["config"]
        name = own["name"]
        if kind in _MODELS:
            weights, inside = saved.inside(name)
            return self.build(Saved(kind, own, weights, inside), inputs)
        write = _WRITERS.get(kind)
        if write is None or config.get("registered_name") not in (None, kind):
            raise CannotConvert(f'the layer "{name}" is a {kind}, which is not written as ONNX yet')
        if kind == "Embedding" and inputs[0].startswith("input:"):
            self.hints[inputs[0]] = (Hint(whole=int(own["input_dim"]) - 1),)
        shape = (config.get("build_config") or {}).get("input_shape")
        result = write(self.graph, Layer(name, own, saved.weights(name), tuple(shape or ())), inputs)
        return result if isinstance(result, list) else [result]


def _inputs(saved: Saved) -> Iterator[dict[str, Any]]:
    """The configurations of the input layers, in the order of the model's inputs."""
    listed = saved.config["layers"]
    if saved.kind == "Sequential":
        first = listed[0]
        if first["class_name"] in _MODELS:
            yield from _inputs(Saved(first["class_name"], first["config"], saved.weights, saved.inside))
            return
        shape = (first.get("build_config") or {}).get("input_shape")
        yield {**({"batch_shape": shape} if shape else {}), **first["config"]}
        return
    by_name = {one["config"]["name"]: one["config"] for one in listed}
    for name, _node, _index in _places(saved.config["input_layers"]):
        yield by_name[name]


def _places(told: Any) -> list[tuple[str, int, int]]:
    """Which outputs of which layers; alone, in a list, or by names in the order of the alphabet."""
    if isinstance(told, dict):
        return [place for key in sorted(told) for place in _places(told[key])]
    if isinstance(told, list | tuple) and len(told) == 3 and isinstance(told[0], str):
        return [(told[0], int(told[1]), int(told[2]))]
    return [place for one in told for place in _places(one)]


def _sources(call: Any) -> Iterator[tuple[str, int, int]]:
    """What one call of a layer takes: as Keras 3 writes it, or as Keras 2 did."""
    if isinstance(call, dict) and "args" in call:
        yield from _tensors(call["args"])
        if any(True for _ in _tensors(list(call.get("kwargs", {}).values()))):
            raise CannotConvert("a layer takes tensors by name")
        return
    for name, node, index, *options in call if not isinstance(call[0], str) else [call]:
        if options and any(value is not None for key, value in options[0].items() if key != "training"):
            raise CannotConvert(f"a layer after {name} is called with options")
        yield name, int(node), int(index)


def _tensors(value: Any) -> Iterator[tuple[str, int, int]]:
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, node, index = value["config"]["keras_history"]
        yield name, int(node), int(index)
    elif isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _tensors(one)


def _word(dtype: Any) -> str:
    """The name of a type, where it may be a policy."""
    return str(dtype["config"]["name"]) if isinstance(dtype, dict) else str(dtype or "")
