"""KServe's SDK around ONNX Runtime; its port is given as its own option."""

import os

from kserve import InferOutput, InferResponse, Model, ModelServer
from session import session


class OnnxModel(Model):
    def __init__(self, name):
        super().__init__(name)
        self._session, self._input, self._outputs = session()
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        arrays = self._session.run(self._outputs, {self._input: payload.inputs[0].as_numpy()})
        outputs = []
        for name, array in zip(self._outputs, arrays, strict=True):
            output = InferOutput(name, list(array.shape), "INT64" if array.dtype == "int64" else "FP32")
            output.set_data_from_numpy(array, binary_data=False)
            outputs.append(output)
        return InferResponse(payload.id or "1", self.name, outputs)


if __name__ == "__main__":
    ModelServer(workers=1, enable_grpc=False).start([OnnxModel(os.environ["BENCH_NAME"])])
