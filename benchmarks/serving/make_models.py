"""Make the models and their requests, the same each time: `make_models.py FOLDER`, run where onnx and skl2onnx are.

FOLDER gets ``NAME.onnx``, and ``NAME.json`` with one request's numbers and what ONNX Runtime answers to them.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
SEED = 20240229
DIGITS = 4


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(SEED)
    for name, make in (("iris", iris), ("mlp", mlp), ("cnn", cnn), ("tensor", tensor)):
        model, example = make(random)
        model.ir_version = 9
        onnx.checker.check_model(model)
        onnx.save(model, folder / f"{name}.onnx")
        (folder / f"{name}.json").write_text(json.dumps(asked(folder / f"{name}.onnx", example)))


def iris(random: np.random.Generator) -> tuple[Any, Any]:
    """Logistic regression, 4 → 3, as skl2onnx writes it."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    rows, kinds = load_iris(return_X_y=True)
    fitted = LogisticRegression(max_iter=500).fit(rows, kinds)
    shape = [("input", FloatTensorType([None, 4]))]
    whole = convert_sklearn(fitted, initial_types=shape, options={"zipmap": False}, target_opset=OPSET)
    return whole, rows[:1]


def mlp(random: np.random.Generator) -> tuple[Any, Any]:
    """784-1024-1024-10 with ReLU and a softmax."""
    sizes, nodes, weights, at = (784, 1024, 1024, 10), [], [], "input"
    for number, (rows, columns) in enumerate(pairwise(sizes)):
        weights += [
            _weight(f"w{number}", random.standard_normal((rows, columns)) / np.sqrt(rows)),
            _weight(f"b{number}", np.zeros(columns)),
        ]
        nodes.append(helper.make_node("Gemm", [at, f"w{number}", f"b{number}"], [f"h{number}"]))
        at = f"h{number}"
        if columns != sizes[-1]:
            nodes.append(helper.make_node("Relu", [at], [f"r{number}"]))
            at = f"r{number}"
    nodes.append(helper.make_node("Softmax", [at], ["output"], axis=1))
    return _model(nodes, weights, [784], [10]), random.random((1, 784))


def cnn(random: np.random.Generator) -> tuple[Any, Any]:
    """Three convolutions of 32, 64 and 128 channels on 3x64x64, each with ReLU and pooling, then 10 classes."""
    nodes, weights, at, channels = [], [], "input", 3
    for number, wide in enumerate((32, 64, 128)):
        kernel = random.standard_normal((wide, channels, 3, 3)) / np.sqrt(channels * 9)
        weights.append(_weight(f"k{number}", kernel))
        nodes += [
            helper.make_node("Conv", [at, f"k{number}"], [f"c{number}"], pads=[1] * 4),
            helper.make_node("Relu", [f"c{number}"], [f"r{number}"]),
            helper.make_node("MaxPool", [f"r{number}"], [f"p{number}"], kernel_shape=[2, 2], strides=[2, 2]),
        ]
        at, channels = f"p{number}", wide
    weights += [_weight("w", random.standard_normal((128, 10)) / np.sqrt(128)), _weight("b", np.zeros(10))]
    nodes += [
        helper.make_node("GlobalAveragePool", [at], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["output"], axis=1),
    ]
    return _model(nodes, weights, [3, 64, 64], [10]), random.random((1, 3, 64, 64))


def tensor(random: np.random.Generator) -> tuple[Any, Any]:
    """Almost nothing to compute on 3x224x224 (602 KB): what is measured is the tensor's way in."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["output"]),
    ]
    return _model(nodes, [], [3, 224, 224], [3]), random.random((1, 3, 224, 224))


def asked(path: Path, example: Any) -> dict[str, Any]:
    """A request of few digits, as people send them, and its answer in process."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    row = np.round(np.asarray(example), DIGITS).astype(np.float32)
    node = session.get_inputs()[0]
    names = [output.name for output in session.get_outputs()]
    answers = dict(zip(names, session.run(names, {node.name: row}), strict=True))
    return {
        "input": node.name,
        "shape": list(row.shape),
        "data": [round(float(value), DIGITS) for value in row.ravel()],
        "outputs": {
            name: {"kind": array.dtype.name, "data": array.ravel().tolist()} for name, array in answers.items()
        },
    }


def _weight(name: str, values: Any) -> Any:
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def _model(nodes: list[Any], weights: list[Any], given: list[int], answered: list[int]) -> Any:
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *given])]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", *answered])]
    graph = helper.make_graph(nodes, "model", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
