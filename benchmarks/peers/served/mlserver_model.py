"""An MLServer runtime around ONNX Runtime."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
from session import session


class OnnxModel(MLModel):
    async def load(self):
        self._session, self._input, self._outputs = session()
        return True

    async def predict(self, payload):
        given = NumpyCodec.decode_input(payload.inputs[0]).astype("float32", copy=False)
        arrays = self._session.run(self._outputs, {self._input: given})
        outputs = [NumpyCodec.encode_output(name, array) for name, array in zip(self._outputs, arrays, strict=True)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
