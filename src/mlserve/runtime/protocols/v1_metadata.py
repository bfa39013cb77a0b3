"""TensorFlow Serving's GetModelMetadataResponse as JSON, for the one signature that there is."""

from __future__ import annotations

from typing import Any

from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.tensors import DTYPES

_TYPES = {"BOOL": "DT_BOOL", "FP16": "DT_HALF", "FP32": "DT_FLOAT", "FP64": "DT_DOUBLE", "BYTES": "DT_STRING"}


def metadata(model: Model) -> dict[str, Any]:
    """Sizes are text, as protobuf's JSON has whole numbers of 64 bits."""
    about = model.signature.metadata
    definition = {
        "inputs": {tensor.name: _described(tensor) for tensor in about.inputs},
        "outputs": {tensor.name: _described(tensor) for tensor in about.outputs},
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": model.service, "signature_name": "", "version": str(model.version)},
        "metadata": {
            "signature_def": {
                "@type": "type.googleapis.com/tensorflow.serving.SignatureDefMap",
                "signature_def": {"serving_default": definition},
            }
        },
    }


def _described(tensor: Tensor) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in tensor.shape or ()]
    datatype = _TYPES.get(tensor.datatype, f"DT_{tensor.datatype}" if tensor.datatype in DTYPES else "DT_INVALID")
    return {
        "dtype": datatype,
        "tensor_shape": {"dim": dims, "unknown_rank": tensor.shape is None},
        "name": tensor.name,
    }
