"""A Triton model in Python: it runs the ONNX file beside it, all requests of a batch in one go."""

from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(Path(__file__).with_name("wines.onnx")), options)

    def execute(self, requests):
        batches = [pb_utils.get_input_tensor_by_name(request, "measurements").as_numpy() for request in requests]
        growers, probabilities = self.session.run(None, {"measurements": np.concatenate(batches)})
        ends = np.cumsum([len(batch) for batch in batches])[:-1]
        answers = zip(np.split(growers, ends), np.split(probabilities, ends), strict=True)
        return [self._response(grower, probability) for grower, probability in answers]

    def _response(self, grower, probability):
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("grower", grower.reshape(-1, 1).astype(object)),
                pb_utils.Tensor("probability", probability.astype(np.float32)),
            ]
        )
