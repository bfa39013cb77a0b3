"""Build an ONNX graph a node at a time, with names made up on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

OPSET = 18
ML_OPSET = 3
IR_VERSION = 9


class Graph:
    """Nodes and constants as they are added; `model` closes it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._count = 0

    def input(self, name: str, dtype: Any, shape: Any) -> str:
        """An input; ``None`` in its shape is an open size."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def output(self, source: str, name: str, dtype: Any, shape: Any) -> None:
        """An output, under a name of its own."""
        self._nodes.append(_node("Identity", [source], [name], "", {}))
        self._outputs.append(_value(name, dtype, shape))

    def constant(self, values: Any, dtype: Any = None) -> str:
        """A tensor that is part of the model."""
        from onnx import numpy_helper

        array = np.asarray(values, dtype)
        name = self.fresh("constant")
        if array.dtype.kind in "OUS":
            from onnx import TensorProto, helper

            texts: Any = [str(text).encode() for text in array.ravel()]
            self._constants[name] = helper.make_tensor(name, TensorProto.STRING, array.shape, texts)
        else:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return name

    def add(self, operator: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """A node; the name of its output, or the names where it has several."""
        names = [self.fresh(operator) for _ in range(outputs)]
        self._nodes.append(_node(operator, list(inputs), names, domain, attributes))
        return names[0] if outputs == 1 else names

    def put(self, node: Any) -> None:
        """A node that was made elsewhere."""
        self._nodes.append(node)

    def take(self, model: Any, prefix: str, sources: list[str]) -> list[str]:
        """All of another model, fed with ``sources``; the names of its outputs."""
        from onnx import compose

        other = compose.add_prefix(model, prefix).graph
        for one, source in zip(other.input, sources, strict=True):
            self._nodes.append(_node("Identity", [source], [one.name], "", {}))
        self._nodes.extend(other.node)
        self._constants |= {tensor.name: tensor for tensor in other.initializer}
        return [one.name for one in other.output]

    def cast(self, source: str, dtype: Any) -> str:
        """The same numbers as another type."""
        return str(self.add("Cast", source, to=element(dtype)))

    def fresh(self, stem: str) -> str:
        """A name that nothing has yet."""
        self._count += 1
        return f"{stem}_{self._count}"

    def model(self, opset: int = OPSET) -> Any:
        """The model, not yet checked."""
        from onnx import helper

        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, initializer=list(self._constants.values())
        )
        domains = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        return helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION, producer_name="mlserve")


def element(dtype: Any) -> int:
    """ONNX's number of a numpy type; any kind of text is a string."""
    from onnx import TensorProto, helper

    kind = np.dtype(dtype)
    return int(TensorProto.STRING) if kind.kind in "OUS" else int(helper.np_dtype_to_tensor_dtype(kind))


def _node(operator: str, inputs: list[str], outputs: list[str], domain: str, attributes: dict[str, Any]) -> Any:
    from onnx import helper

    return helper.make_node(operator, inputs, outputs, domain=domain, **attributes)


def _value(name: str, dtype: Any, shape: Any) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, element(dtype), shape)
