"""The same ONNX Runtime session for every server that runs in Python: one thread, no spinning."""

import os

import onnxruntime as ort


def session():
    """The model that BENCH_MODEL names, its input's name, and its outputs' names."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    made = ort.InferenceSession(os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"])
    return made, made.get_inputs()[0].name, [output.name for output in made.get_outputs()]
