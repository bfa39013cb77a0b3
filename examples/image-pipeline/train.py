"""Train a small convolutional network on scikit-learn's handwritten digits, without a framework for networks.

Its kernels are the patches that most digits are made of (k-means); the layer above them is a logistic regression.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
KERNELS = 24


def main() -> None:
    data = load_digits()
    images, labels = (data.images / 16).astype(np.float32), data.target
    known, others, known_labels, other_labels = train_test_split(images, labels, test_size=0.2, random_state=0)
    kernels, bias = learned_kernels(known)
    model = LogisticRegression(max_iter=2000).fit(features(known, kernels, bias), known_labels)
    print(f"accuracy on unseen digits: {model.score(features(others, kernels, bias), other_labels):.3f}")
    (HERE / "digits.onnx").write_bytes(network(kernels, bias, model))
    picture = paper(others[0])
    (HERE / "request.json").write_text(json.dumps({"image": picture[None, ..., None].tolist()}) + "\n")
    Image.fromarray(picture).resize((96, 96), Image.Resampling.NEAREST).save(HERE / "digit.png")
    print("request.json and digit.png show", int(other_labels[0]))


def learned_kernels(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kernels that answer to the patches there are, and where each begins to answer."""
    patches = np.concatenate([extract_patches_2d(image, (3, 3)) for image in images[:500]]).reshape(-1, 9)
    patches = patches - patches.mean(axis=1, keepdims=True)
    centres = KMeans(KERNELS, n_init=1, random_state=0).fit(patches[patches.std(axis=1) > 0.05]).cluster_centers_
    kernels = (centres / np.linalg.norm(centres, axis=1, keepdims=True)).astype(np.float32)
    return kernels.reshape(KERNELS, 3, 3), np.full(KERNELS, -0.1, dtype=np.float32)


def features(images: np.ndarray, kernels: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """What the network computes below its last layer."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    maps = np.maximum(np.einsum("nhwij,kij->nkhw", windows, kernels) + bias[:, None, None], 0)
    return maps.reshape(len(images), KERNELS, 4, 2, 4, 2).max(axis=(3, 5)).reshape(len(images), -1)


def network(kernels: np.ndarray, bias: np.ndarray, model: LogisticRegression) -> bytes:
    """pixels → convolution → ReLU → pooling → scores."""
    nodes = [
        helper.make_node("Conv", ["pixels", "kernels", "bias"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "offsets"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    numbers = {
        "kernels": kernels[:, None], "bias": bias,
        "weights": model.coef_.T.astype(np.float32), "offsets": model.intercept_.astype(np.float32),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(array, name) for name, array in numbers.items()],
    )
    made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(made)
    return made.SerializeToString(deterministic=True)


def paper(ink: np.ndarray) -> np.ndarray:
    """A digit as a picture: dark on light."""
    return (255 - ink * 255).round().astype(np.uint8)


if __name__ == "__main__":
    main()
