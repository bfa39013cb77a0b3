"""The first requests, before the instance says ready: the user's own, else one made up from the metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Loaded, Metadata, Tensor
from mlserve.runtime.protocols.base import Call, Model, parse_json
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.protocols.raw import Raw
from mlserve.runtime.protocols.v1 import V1
from mlserve.runtime.protocols.v2 import V2
from mlserve.runtime.request import Request
from mlserve.runtime.tensors import DTYPES, Array


def warm_up(processor: Loaded, model: Model, path: str | None) -> dict[str, Array] | None:
    """Run the warm-up requests; the inputs of the first one are a sample for measuring (``None``: there is none)."""
    if path is None:
        return _made_up(processor, model.signature.metadata)
    sample: dict[str, Array] | None = None
    for name, body in bodies(Path(path)):
        call = _decoded(name, body, model)
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
            "warm-up-failed", f"no request in {path}", "give a .json file, or a .txt file with one request body a line"
        )
    return sample


def bodies(path: Path) -> Iterator[tuple[str, bytes]]:
    """Request bodies with a name to speak of: a line each of .txt and .jsonl, whole files otherwise."""
    if not path.exists():
        raise StartFailure("warm-up-failed", f"no warm-up data at {path}", "check warm_up_data_path")
    files = (
        sorted(f for f in path.rglob("*") if f.is_file() and not f.name.startswith(".")) if path.is_dir() else [path]
    )
    for file in files:
        content = file.read_bytes()
        if file.suffix not in (".txt", ".jsonl"):
            yield file.name, content
            continue
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                yield f"{file.name}:{number}", line


def synthetic(tensor: Tensor, rows: int = 1) -> Array:
    """A made-up input: ones and small numbers, open sizes 1, the first ``rows``."""
    shape = tensor.shape or ()
    sizes = tuple(size if size > 0 else (rows if index == 0 else 1) for index, size in enumerate(shape))
    if tensor.datatype == "BYTES":
        return np.full(sizes, "", dtype=np.object_)
    return np.zeros(sizes, dtype=DTYPES[tensor.datatype])


def _made_up(processor: Loaded, metadata: Metadata) -> dict[str, Array] | None:
    required = [tensor for tensor in metadata.inputs if not tensor.optional] or list(metadata.inputs)
    if not required or not metadata.trusted or any(not t.datatype or t.shape is None for t in required):
        return None  # nothing can be guessed: a user's own code may refuse what was made up
    inputs = {tensor.name: synthetic(tensor) for tensor in required}
    try:
        processor.predict(inputs)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a model may rightly refuse zeros; the probe asks again
        from mlserve.runtime.report import log

        log("warm-up", state="skipped", reason=f"{type(exc).__name__}: {str(exc)[:200]}")
        return None
    return inputs


def _decoded(name: str, body: bytes, model: Model) -> Call:
    request = Request(None, "POST", b"/", {}, body)
    try:
        if model.signature.metadata.raw:
            return Raw(model).decode(request)
        return _format(parse_json(body), model).decode(request)
    except InvalidInput as exc:
        answer = json.dumps({"error": exc.message})
        raise StartFailure(
            "warm-up-failed", f"{name} was answered 400: {answer}", "correct the request in warm_up_data_path"
        ) from exc


def _format(asked: Any, model: Model) -> Eval | V1 | V2:
    """Told by the body: the same file may be sent to any of our paths."""
    own = model.signature.inputs
    if isinstance(asked, dict) and "instances" in asked and "instances" not in own:
        return V1(model)
    if isinstance(asked, dict) and isinstance(asked.get("inputs"), list) and "inputs" not in own:
        return V2(model)
    return Eval(model)


def _predicted(processor: Loaded, call: Call, name: str) -> Any:
    try:
        return processor.predict(call.inputs)
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
