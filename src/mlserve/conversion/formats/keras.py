"""Keras models, by a converter of our own that needs neither Keras nor TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlserve.conversion.base import Attempt, Source
from mlserve.conversion.graph import Graph
from mlserve.conversion.keras.network import Network
from mlserve.conversion.keras.reading import read

REQUIREMENTS: tuple[str, ...] = ("onnx>=1.16", "onnxruntime>=1.17", "h5py>=3")
VERSION = "1"


def convert(source: Source) -> Iterator[Attempt]:
    """The network, layer by layer; raises CannotConvert at the first that is not known."""
    network = Network(Graph("model"))
    for number, name in enumerate(network.whole(read(source.path))):
        network.graph.output(name, f"output:{number}", np.float32, None)
    yield Attempt(network.graph.model(), network.hints, tabular=False)
