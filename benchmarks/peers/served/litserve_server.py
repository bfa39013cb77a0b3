"""LitServe around ONNX Runtime: `litserve_server.py PORT`."""

import sys

import litserve
import numpy as np
from session import session


class OnnxModel(litserve.LitAPI):
    def setup(self, device):
        self._session, self._input, self._outputs = session()

    def decode_request(self, request):
        return np.array(request["inputs"], dtype=np.float32)

    def predict(self, x):
        return self._session.run(self._outputs, {self._input: x})[-1]

    def encode_response(self, output):
        return {"outputs": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(OnnxModel(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
