"""A BentoML service around ONNX Runtime."""

import bentoml
import numpy as np
from session import session


@bentoml.service(workers=1, traffic={"timeout": 60})
class OnnxModel:
    def __init__(self) -> None:
        self._session, self._input, self._outputs = session()

    @bentoml.api
    def predict(self, inputs: list) -> dict:
        array = np.array(inputs, dtype=np.float32)
        return {"outputs": self._session.run(self._outputs, {self._input: array})[-1].tolist()}
