"""Keras and TensorFlow models as ONNX: answers as theirs, and what has no counterpart is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests import heavy
from tests.contract.conversion_kit import elsewhere

from mlserve.hub.convertible import convertible
from mlserve.runtime.loading import load
from mlserve.runtime.spec import Spec

NETWORKS = """
import os

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np
from keras import layers as L

keras.utils.set_random_seed(1)

def save(name, model):
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.set_weights([np.random.uniform(0.5, 1.5, one.shape) for one in layer.get_weights()])
    model.save(name + ".keras")
    model.save(name + ".h5")

save("mlp", keras.Sequential([L.Input((20,)), L.Dense(16, activation="relu"), L.Dropout(0.2), L.BatchNormalization(),
    L.Dense(4, activation="softmax")]))
save("cnn", keras.Sequential([L.Input((16, 16, 3)), L.Rescaling(1 / 255), L.Conv2D(8, 3, padding="same"),
    L.BatchNormalization(), L.ReLU(max_value=6.0), L.MaxPooling2D(), L.DepthwiseConv2D(3, strides=2, padding="same"),
    L.SeparableConv2D(8, 3, activation="gelu", padding="same"), L.AveragePooling2D(2, padding="same"),
    L.ZeroPadding2D(1), L.Conv2DTranspose(4, 3, strides=2, padding="same"), L.LeakyReLU(), L.GlobalAveragePooling2D(),
    L.Dense(3), L.Softmax()]))
save("lstm", keras.Sequential([L.Input((12,), dtype="int32"), L.Embedding(50, 8),
    L.Bidirectional(L.LSTM(6, return_sequences=True)), L.GRU(5), L.LayerNormalization(), L.Dense(1)]))
a, b = L.Input((8,), name="table"), L.Input((16, 4), name="signal")
c = L.Conv1D(6, 3, padding="causal", activation="swish")(b)
d = L.Add()([c, L.Conv1D(6, 1)(b)])
e = L.Concatenate()([L.Dense(6, activation="elu")(a), L.Flatten()(d)])
save("two", keras.Model([a, b], [L.Dense(3, activation="softmax", name="kind")(e), L.Dense(1, name="size")(e)]))
i = L.Input((8, 4))
save("attention", keras.Model(i, L.GlobalAveragePooling1D()(L.MultiHeadAttention(2, 4)(i, i))))
"""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("file", ["mlp.keras", "mlp.h5", "cnn.keras", "cnn.h5", "lstm.keras", "lstm.h5", "two.keras"])
def test_a_keras_network_answers_as_keras_does(file: str, tmp_path: Path) -> None:
    python = heavy.python_with("keras>=3.3", "jax>=0.4.30", *convertible()["keras"].requirements)
    record = elsewhere(python, "keras", heavy.make_model(python, NETWORKS) / file, tmp_path / "work")
    assert record["to"] == "onnx", record
    assert record["parity"]["labels_equal"]
    assert "no rows" in record["parity"]["inputs"]


@pytest.mark.slow
@pytest.mark.network
def test_a_keras_layer_that_is_not_known_is_named(tmp_path: Path) -> None:
    python = heavy.python_with("keras>=3.3", "jax>=0.4.30", *convertible()["keras"].requirements)
    record = elsewhere(python, "keras", heavy.make_model(python, NETWORKS) / "attention.keras", tmp_path / "work")
    assert record["to"] is None
    assert "is a MultiHeadAttention" in record["reason"]


SAVED = """
import tensorflow as tf

class Model(tf.Module):
    def __init__(self):
        self.weights = tf.Variable([[1.0, 2.0], [3.0, 4.0]])

    @tf.function(input_signature=[
        tf.TensorSpec([None, 2], tf.float32, name="b"), tf.TensorSpec([None], tf.int64, name="a")])
    def serve(self, b, a):
        y = tf.matmul(b, self.weights)
        best = tf.argmax(y, axis=1)
        return {"z": tf.math.erfc(y), "best": best + a, "word": tf.gather(tf.constant(["x", "y"]), best)}

class Words(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(self, text):
        return {"length": tf.strings.length(text)}

for name, model in (("numbers", Model()), ("words", Words())):
    tf.saved_model.save(model, name, signatures=model.serve)
"""


@pytest.mark.slow
@pytest.mark.network
def test_a_saved_model_answers_as_tensorflow_does_and_what_onnx_lacks_is_named(tmp_path: Path) -> None:
    python = heavy.python_with(*heavy.TENSORFLOW, *convertible()["tensorflow"].requirements)
    models = heavy.make_model(python, SAVED)
    record = elsewhere(python, "tensorflow", models / "numbers", tmp_path / "numbers")
    assert record["to"] == "onnx", record
    assert record["parity"]["labels_equal"]
    onnx = load(Spec(service="s", processor="onnx", model_path=str(tmp_path / "numbers" / "model.onnx")))
    assert sorted(tensor.name for tensor in onnx.metadata().outputs) == ["best", "word", "z"]
    answers = onnx.predict({"b": np.array([[2.0, 0.0]], np.float32), "a": np.array([5], np.int64)})
    assert (answers["word"].tolist(), answers["best"].tolist()) == (["y"], [6])
    record = elsewhere(python, "tensorflow", models / "words", tmp_path / "words")
    assert record["to"] is None
    assert "StringLength" in record["reason"]
