"""The model configuration extension: what the model is, in the words of Triton's config."""

from __future__ import annotations

from typing import Any

from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import Model


def model_config(model: Model) -> dict[str, Any]:
    """Sizes are whole shapes, and ``max_batch_size`` 0 says so: a request may have as many rows as it likes."""
    about = model.signature.metadata
    return {
        "name": model.service,
        "platform": about.platform,
        "backend": "mlserve",
        "version_policy": {"specific": {"versions": [model.version]}},
        "max_batch_size": 0,
        "input": [_described(tensor) | {"optional": tensor.optional} for tensor in about.inputs],
        "output": [_described(tensor) for tensor in about.outputs],
        "model_transaction_policy": {"decoupled": about.streams},
        "parameters": {name: {"string_value": str(value)} for name, value in (about.facts or {}).items()},
    }


def _described(tensor: Tensor) -> dict[str, Any]:
    datatype = "STRING" if tensor.datatype in ("BYTES", "") else tensor.datatype
    dims = [-1] if tensor.shape is None else list(tensor.shape)
    return {"name": tensor.name, "data_type": f"TYPE_{datatype}", "dims": dims}
