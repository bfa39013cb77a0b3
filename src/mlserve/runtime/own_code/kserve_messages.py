"""Arrays and bodies as KServe's requests, and its responses as arrays."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlserve.runtime.http.request import Request
from mlserve.runtime.own_code import kserve_types
from mlserve.runtime.processors.base import Arrays, Context, Metadata
from mlserve.runtime.protocols.base import Call, Model
from mlserve.runtime.raw_bodies import as_bytes
from mlserve.runtime.signature import Signature
from mlserve.runtime.tensors import DTYPES, datatype_of


def _types() -> Any:
    """KServe's own classes where it is there, else ours."""
    return sys.modules.get("kserve") or kserve_types


def is_v2(payload: Mapping[str, Any]) -> bool:
    listed = payload.get("inputs")
    return isinstance(listed, list) and bool(listed) and all(isinstance(i, dict) and "datatype" in i for i in listed)


def read(service: str, payload: Mapping[str, Any]) -> Call:
    """A v2 body that came where v1 is spoken, read as the v2 protocol does."""
    from mlserve.runtime.protocols.v2 import V2

    reader = V2(Model(service, 1, Signature(Metadata(open=True))))
    return reader.decode(Request(None, "POST", b"/", {}, as_bytes(payload)))


def request(service: str, inputs: Arrays, context: Context) -> Any:
    kserve = _types()
    listed = []
    for name, array in inputs.items():
        item = kserve.InferInput(name=name, shape=list(array.shape), datatype=datatype_of(array))
        item.set_data_from_numpy(array, binary_data=False)
        listed.append(item)
    parameters = {name: value for name, value in context.parameters.items() if name not in ("headers", "path")}
    return kserve.InferRequest(
        model_name=service, infer_inputs=listed, request_id=context.identity or None, parameters=parameters
    )


def arrays(result: Any) -> Arrays:
    """The outputs of an InferResponse, of its JSON form, or of a dict by name."""
    if hasattr(result, "outputs"):
        return {item.name: item.as_numpy() for item in result.outputs}
    if isinstance(result, Mapping) and isinstance(result.get("outputs"), list):
        return {item["name"]: _listed(item) for item in result["outputs"]}
    named = result if isinstance(result, Mapping) else {"output": result}
    return {str(name): np.asarray(value) for name, value in named.items()}


def _listed(item: Mapping[str, Any]) -> Any:
    array = np.asarray(item["data"], dtype=DTYPES.get(item.get("datatype", "")))
    return array.reshape(item["shape"]) if "shape" in item else array
