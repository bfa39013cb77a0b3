"""The first requests, before the instance says ready: the user's own, else one made up from the metadata."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.http.request import Request
from mlserve.runtime.processors.base import Context, Loaded, Metadata, Tensor
from mlserve.runtime.protocols.base import Call, Model, parse_json
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.protocols.raw import Raw
from mlserve.runtime.protocols.v1 import V1
from mlserve.runtime.protocols.v2 import V2
from mlserve.runtime.recorded import Recorded, recorded
from mlserve.runtime.tensors import DTYPES, Array


def warm_up(
    processor: Loaded, model: Model, path: str | None, warn: Callable[[str], None] = lambda words: None
) -> dict[str, Array] | None:
    """Run the warm-up requests; the inputs of the first one are a sample for measuring (``None``: there is none).

    ``warn`` hears of a made-up one that the model stumbled over.
    """
    if path is None:
        return _made_up(processor, model.signature.metadata, warn)
    sample: dict[str, Array] | None = None
    for request in recorded(Path(path)):
        name, call = request.name, _decoded(request, model)
        outputs = _predicted(processor, call, name)
        try:
            call.encode(outputs)
        except Exception as exc:
            raise StartFailure("warm-up-failed", f"{name}: the outputs can't be written as a reply: {exc}") from exc
        if call.status >= 400:
            wish = "correct the request in warm_up_data_path"
            raise StartFailure("warm-up-failed", f"{name} was answered {call.status} by the processor", wish)
        sample = sample or call.inputs
    if sample is None:
        raise StartFailure(
            "warm-up-failed",
            f"no request in {path}",
            "give a .json file, a .txt file with one request body a line, or recorded requests",
        )
    return sample


def synthetic(tensor: Tensor, rows: int = 1) -> Array:
    """A made-up input: ones and small numbers, open sizes 1, the first ``rows``."""
    shape = tensor.shape or ()
    sizes = tuple(size if size > 0 else (rows if index == 0 else 1) for index, size in enumerate(shape))
    if tensor.datatype == "BYTES":
        return np.full(sizes, "", dtype=np.object_)
    return np.zeros(sizes, dtype=DTYPES[tensor.datatype])


def _made_up(processor: Loaded, metadata: Metadata, warn: Callable[[str], None]) -> dict[str, Array] | None:
    required = [tensor for tensor in metadata.inputs if not tensor.optional] or list(metadata.inputs)
    if not required or not metadata.trusted or any(not t.datatype or t.shape is None for t in required):
        return None  # nothing can be guessed: a user's own code may refuse what was made up
    inputs = {tensor.name: synthetic(tensor) for tensor in required}
    try:
        _run(processor, inputs, Context())
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a model may rightly refuse zeros; the probe asks again
        from mlserve.runtime.report import log

        reason = f"{type(exc).__name__}: {' '.join(str(exc).split())[:160]}"
        log("warm-up", state="skipped", reason=reason)
        if not isinstance(exc, InvalidInput):  # which is the model's own way to refuse
            warn(f"it could not answer a made-up request, zeros or empty texts ({reason}): ask it once yourself")
        return None
    return inputs


def _decoded(given: Recorded, model: Model) -> Call:
    request = Request(None, "POST", given.path.encode() or b"/", dict(given.headers), given.body)
    try:
        call = _format(given, model).decode(request)
        if call.prepare is not None:
            call.prepare()
    except InvalidInput as exc:
        answer = json.dumps({"error": exc.message})
        raise StartFailure(
            "warm-up-failed", f"{given.name} was answered {exc.status}: {answer}",
            "correct the request in warm_up_data_path",
        ) from exc  # fmt: skip
    return call


def _format(given: Recorded, model: Model) -> Eval | V1 | V2 | Raw:
    """Told by the path, where one was recorded, else by the body: the same file may be sent to any of our paths."""
    if model.signature.metadata.raw:
        return Raw(model)
    if given.path == "v2" or given.path.startswith("/v2/"):
        return V2(model)
    if given.path.startswith("/v1/"):
        return V1(model)
    if given.path or given.headers:
        return Eval(model)
    asked, own = parse_json(given.body), model.signature.inputs
    if isinstance(asked, dict) and "instances" in asked and "instances" not in own:
        return V1(model)
    if isinstance(asked, dict) and isinstance(asked.get("inputs"), list) and "inputs" not in own:
        return V2(model)
    return Eval(model)


def _predicted(processor: Loaded, call: Call, name: str) -> Any:
    try:
        return _run(processor, call.inputs, Context(call.parameters, call.identity, call.sequence))
    except InvalidInput as exc:
        raise StartFailure(
            "warm-up-failed", f"{name} was answered 400: {exc.message}", "correct the request in warm_up_data_path"
        ) from exc
    except (Exception, SystemExit) as exc:
        raise StartFailure(
            "warm-up-failed",
            f"{name} was answered 500: {type(exc).__name__}: {exc}",
            "the frames show where; mlserve test tries it again",
        ) from exc


def _run(processor: Any, inputs: dict[str, Array], context: Context) -> Any:
    return processor.predict(inputs, context) if processor.metadata().context else processor.predict(inputs)
