"""A processor of KServe: ``load()``, then ``predict(payload, headers)`` with v1 dicts or v2 InferRequests."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.bodies import REPLY, REQUEST, STATUS, as_bytes, boxed
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Arrays, Context, Metadata
from mlserve.runtime.protocols.base import Call, Model, check_object, parse_json
from mlserve.runtime.request import Request
from mlserve.runtime.shims import kserve_types
from mlserve.runtime.shims.asynchronous import settled
from mlserve.runtime.shims.calling import accepting
from mlserve.runtime.shims.places import elsewhere
from mlserve.runtime.signature import Signature
from mlserve.runtime.tensors import DTYPES, datatype_of

_PATHS = ("/", "/eval", "/v1/models/{name}:predict", "/v1/models/{name}:explain")
_STATUSES = {"InvalidInput": 400, "ModelNotFound": 404, "ModelNotReady": 503, "ServerNotReady": 503}
"""KServe's errors, by name: where it is installed they are its own classes, else our stand-ins."""


class Refused(InvalidInput):
    """A status that the processor asked for."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status  # type: ignore[misc]  # of this error alone


class KServeProcessor:
    """Runs the class unchanged; bodies of v1 reach it as they are, those of v2 as InferRequest."""

    def __init__(self, cls: Any, service: str) -> None:
        self._class, self._service = cls, service
        self._model: Any = None

    def load(self, path: Path, config: dict[str, Any]) -> None:
        os.environ.setdefault("MODEL_DIR", str(path))
        known = {"name": self._service, "model_name": self._service, "model_dir": str(path), "model_path": str(path)}
        wish = "open what the environment's MODEL_DIR names, or take a constructor's argument model_dir"
        with elsewhere(("/mnt/models",), path, wish):
            self._model = self._class(**_arguments(self._class, {**config, **known}))
            if not getattr(self._model, "ready", False) and callable(getattr(self._model, "load", None)):
                settled(self._model.load())

    def metadata(self) -> Metadata:
        return Metadata(platform="python_kserve", open=True, trusted=False, context=True, raw=_PATHS)

    def predict(self, inputs: Arrays, context: Context) -> Arrays:
        headers = dict(context.parameters.get("headers") or {})
        try:
            if inputs.keys() == {REQUEST} and inputs[REQUEST].ndim == 0:
                return self._from_body(inputs[REQUEST].item(), headers, str(context.parameters.get("path", "")))
            return _arrays(self._asked(_request(self._service, inputs, context), headers, "predict"))
        except InvalidInput:
            raise
        except Exception as exc:
            raise _refusal(exc) or exc from exc

    def _from_body(self, body: bytes, headers: dict[str, str], path: str) -> Arrays:
        payload: Any = check_object(parse_json(body), 'a JSON object, such as {"instances": [[…]]}')
        if _is_v2(payload):
            call = _read(self._service, payload)
            request = _request(self._service, call.inputs, Context(call.parameters, call.identity))
            body = call.encode(_arrays(self._asked(request, headers, "predict")))[0]
        else:
            body = as_bytes(self._asked(payload, headers, "explain" if path.endswith(":explain") else "predict"))
        return {REPLY: boxed(body)[REQUEST], STATUS: np.array(200, dtype=np.int32)}

    def _asked(self, payload: Any, headers: dict[str, str], verb: str) -> Any:
        result = payload
        for step in ("preprocess", verb, "postprocess"):
            method = getattr(self._model, step, None)
            if method is None and step == verb:
                raise InvalidInput(f"{self._class.__name__} has no method {verb}")
            if method is not None:
                result = settled(accepting(method, result, headers=headers))
        return result[0] if isinstance(result, tuple) and len(result) == 2 else result


def _arguments(cls: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """What the constructor wants, of what is known here."""
    wanted = [
        item
        for name, item in inspect.signature(cls.__init__).parameters.items()
        if name != "self" and item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
    ]
    unknown = [item.name for item in wanted if item.default is item.empty and item.name not in known]
    if unknown:
        names = ", ".join(known)
        reason = f"{cls.__name__}() wants {', '.join(unknown)}, which nobody knows here (known: {names})"
        raise StartFailure("load-exception", reason, "give it a default, or a value in model_config")
    return {item.name: known[item.name] for item in wanted if item.name in known}


def _types() -> Any:
    """KServe's own classes where it is there, else ours."""
    return sys.modules.get("kserve") or kserve_types


def _is_v2(payload: Mapping[str, Any]) -> bool:
    listed = payload.get("inputs")
    return isinstance(listed, list) and bool(listed) and all(isinstance(i, dict) and "datatype" in i for i in listed)


def _read(service: str, payload: Mapping[str, Any]) -> Call:
    """A v2 body that came where v1 is spoken, read as the v2 protocol does."""
    from mlserve.runtime.protocols.v2 import V2

    reader = V2(Model(service, 1, Signature(Metadata(open=True))))
    return reader.decode(Request(None, "POST", b"/", {}, as_bytes(payload)))


def _request(service: str, inputs: Arrays, context: Context) -> Any:
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


def _arrays(result: Any) -> Arrays:
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


def _refusal(exc: Exception) -> InvalidInput | None:
    """The error with the status it asks for; None where it asks for none."""
    status = getattr(exc, "status_code", None) or _STATUSES.get(type(exc).__name__)
    if not isinstance(status, int):
        return None
    said = getattr(exc, "reason", None) or getattr(exc, "detail", None) or str(exc) or type(exc).__name__
    return Refused(str(said), int(status))
