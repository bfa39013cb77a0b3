"""Triton's Python backend around ONNX Runtime: requests that came together are one call."""

import json
import os

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = config["input"][0]["name"]
        self._outputs = [output["name"] for output in config["output"]]

    def execute(self, requests):
        arrays = [pb_utils.get_input_tensor_by_name(request, self._input).as_numpy() for request in requests]
        whole = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        outputs = self._session.run(self._outputs, {self._input: whole})
        answers, start = [], 0
        for array in arrays:
            end = start + len(array)
            tensors = [
                pb_utils.Tensor(name, part[start:end]) for name, part in zip(self._outputs, outputs, strict=True)
            ]
            answers.append(pb_utils.InferenceResponse(tensors))
            start = end
        return answers
