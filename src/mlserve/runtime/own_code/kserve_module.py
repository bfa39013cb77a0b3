"""What `import kserve` gives a processor here: the base class, v2 requests, a server that runs already."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Mapping
from importlib import import_module
from logging import getLogger
from pathlib import Path
from typing import Any

from mlserve.runtime.own_code.kserve_types import InferInput, InferOutput, InferRequest, InferResponse
from mlserve.runtime.spec import get_model_path

_MOUNTED = "/mnt/models"
logger = getLogger("kserve")
parser = argparse.ArgumentParser(add_help=False)
for _option in ("--model_name", "--model_dir", "--http_port", "--grpc_port", "--workers", "--predictor_host"):
    parser.add_argument(_option)


class InferenceError(RuntimeError):
    """The model failed: 500."""


class InvalidInput(ValueError):
    """The request can't be used: 400."""


class ModelNotFound(Exception):
    """404."""


class ModelNotReady(RuntimeError):
    """503."""


class Model:
    """The base class. `load` says whether it is ready; requests go through preprocess, predict, postprocess."""

    def __init__(self, name: str = "model", *_: Any, **__: Any) -> None:
        self.name = name
        self.ready = False
        self.protocol = "v1"

    def load(self) -> bool:
        self.ready = True
        return self.ready

    def preprocess(self, payload: Any, headers: Mapping[str, str] | None = None) -> Any:
        return payload

    def postprocess(self, result: Any, headers: Mapping[str, str] | None = None) -> Any:
        return result

    def predict(self, payload: Any, headers: Mapping[str, str] | None = None) -> Any:
        own = type(self).__name__
        raise RuntimeError(f"{own} has no predict of its own: write what it forwards to as the next step of a pipeline")

    def stop(self) -> None:
        """Called by nobody here: an instance ends as a whole."""


KFModel = Model


class ModelServer:
    """The server runs already; its options are those of the descriptor."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.registered: list[Any] = []

    def start(self, models: Any) -> None:
        self.registered = list(models)


KFServer = ModelServer


def generate_uuid() -> str:
    return str(uuid.uuid4())


class Storage:
    """Where a model is: the hub has fetched it before the start."""

    @staticmethod
    def download(uri: str, out_dir: str | None = None) -> str:
        """The path of ``uri``; KServe's own folder for models means the service's model."""
        path = str(uri).removeprefix("file://")
        below = path.removeprefix(_MOUNTED).lstrip("/") if path.startswith(_MOUNTED) else None
        if below is not None and not Path(path).exists():
            return str(get_model_path() / below) if below else str(get_model_path())
        if "://" in path:
            raise RuntimeError(f'{path} is not fetched by an instance: write it as "model_path", and the hub does')
        return path


def get_predict_input(payload: Any, columns: list[str] | None = None) -> Any:
    """What a model of arrays or data frames takes, of a v1 or v2 request; text as a list."""
    import numpy as np

    if isinstance(payload, InferRequest):
        first = payload.inputs[0]
        if payload.parameters.get("content_type") == "pd":
            return payload.as_dataframe()
        return first.as_string() if first.datatype == "BYTES" else first.as_numpy()
    instances = payload["inputs"] if "inputs" in payload else payload["instances"]
    if instances and isinstance(instances[0], Mapping):
        return _frame(instances, columns)
    return instances if instances and isinstance(instances[0], str) else np.array(instances)


def get_predict_response(payload: Any, result: Any, model_name: str) -> Any:
    """An answer in the form of the request: predictions for v1, an InferResponse for v2."""
    import numpy as np

    if not isinstance(payload, InferRequest):
        return {"predictions": result.tolist() if hasattr(result, "tolist") else result}
    array = np.asarray(result)
    output = InferOutput("output-0", list(array.shape), "").set_array(array)
    return InferResponse(payload.id or generate_uuid(), model_name, [output])


def _frame(instances: list[Mapping[str, Any]], columns: list[str] | None) -> Any:
    """A data frame of all instances, each of which is one row or, with lists for values, several."""
    pandas = import_module("pandas")
    rows = [{key: value if isinstance(value, list) else [value] for key, value in item.items()} for item in instances]
    return pandas.concat([pandas.DataFrame(item, columns=columns) for item in rows], axis=0)


__all__ = [
    "InferInput",
    "InferOutput",
    "InferRequest",
    "InferResponse",
    "InferenceError",
    "InvalidInput",
    "KFModel",
    "KFServer",
    "Model",
    "ModelNotFound",
    "ModelNotReady",
    "ModelServer",
    "Storage",
    "generate_uuid",
    "get_predict_input",
    "get_predict_response",
    "logger",
    "parser",
]
