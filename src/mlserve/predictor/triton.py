"""Ask one of a Triton server's models: arrays by input name, written and read by Triton's own client library.

The library is loaded upon the first such question, and only its forms are used: connections are the transport's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from mlserve.errors import InvalidInput, NotFound, RequestFailed
from mlserve.transport import Reply

_HEADER = "Inference-Header-Content-Length"
_KEPT = 1 << 20
"""Bytes of a file; larger ones are not looked into."""


class Request(Protocol):
    """How the service is asked: raises as `Predictor.request` does."""

    def __call__(
        self,
        method: str,
        path: str = "/",
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply: ...


def arrays_in(data: Any) -> Mapping[str, Any] | None:
    """The values by input name that ``data`` holds (JSON as text or in a file, too); None: it is to go as it is."""
    if isinstance(data, Path):
        if not data.is_file() or data.stat().st_size > _KEPT:
            return None
        data = data.read_bytes()
    if isinstance(data, bytes | bytearray | memoryview):
        try:
            data = json.loads(bytes(data))
        except ValueError:
            return None
    return None if not isinstance(data, Mapping) or isinstance(data.get("inputs"), list) else data


def path_of(request: Request, model: str | None) -> str:
    """Where a model is asked; without a name it is the only one there is."""
    return f"/v2/models/{quote(model or _only_model(request), safe='')}"


def infer(request: Request, path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the model at ``path``; returns numpy arrays by output name."""
    http, numpy = _libraries()
    inputs = [_input(http, numpy, tensor, values) for tensor in _tensors(request, path, values)]
    body, size = http.InferenceServerClient.generate_request_body(inputs)
    headers = {_HEADER: str(size)} if size is not None else {}
    reply = request(
        "POST", f"{path}/infer", body, "application/octet-stream" if headers else "application/json", headers
    )
    length = reply.headers.get(_HEADER.lower())
    result = http.InferenceServerClient.parse_response_body(reply.body, header_length=int(length) if length else None)
    names = [str(output["name"]) for output in result.get_response().get("outputs", ())]
    return {name: result.as_numpy(name) for name in names}


def _only_model(request: Request) -> str:
    reply = request("POST", "/v2/repository/index", b'{"ready": true}', "application/json")
    names = sorted({str(entry["name"]) for entry in json.loads(reply.body)})
    if len(names) == 1:
        return names[0]
    if not names:
        raise RequestFailed("no model of this service is ready", hint="mlserve models NAME shows why")
    raise InvalidInput(
        f"this service has several models ({', '.join(names)})", hint=f"name one: --model {names[0]} (model= in Python)"
    )


def _tensors(request: Request, path: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The inputs that are given, as the model describes them."""
    try:
        described = json.loads(request("GET", path).body)
    except NotFound as exc:
        raise NotFound(exc.message, hint="mlserve models NAME lists the models", details=exc.details) from exc
    known = {str(tensor["name"]): tensor for tensor in described.get("inputs", ())}
    strange = sorted(set(values) - set(known))
    if strange:
        raise InvalidInput(
            f"the model has no input {', '.join(strange)}", hint=f"its inputs: {', '.join(map(_shown, known.values()))}"
        )
    return [known[name] for name in values]


def _input(http: Any, numpy: Any, tensor: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    from tritonclient.utils import triton_to_np_dtype

    name, kind = str(tensor["name"]), str(tensor["datatype"])
    try:
        array = numpy.asarray(values[name], dtype=object if kind == "BYTES" else triton_to_np_dtype(kind))
        made = http.InferInput(name, list(array.shape), kind)
        made.set_data_from_numpy(array)
    except (TypeError, ValueError, OverflowError) as exc:
        raise InvalidInput(
            f"the values of {name} are no {_shown(tensor)}: {exc}", hint="send lists of equal length"
        ) from exc
    return made


def _shown(tensor: Mapping[str, Any]) -> str:
    return f"{tensor['name']} ({tensor['datatype']} {tensor.get('shape')})"


def _libraries() -> tuple[Any, Any]:
    import numpy
    import tritonclient.http

    return tritonclient.http, numpy
