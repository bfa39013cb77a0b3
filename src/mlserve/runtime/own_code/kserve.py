"""A processor of KServe: ``load()``, then ``predict(payload, headers)`` with v1 dicts or v2 InferRequests."""

from __future__ import annotations

import inspect
import os
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.own_code.asynchronous import Work, awaited_all, settled, settled_all, start
from mlserve.runtime.own_code.calling import accepting
from mlserve.runtime.own_code.kserve_messages import arrays, is_v2, read, request
from mlserve.runtime.own_code.places import elsewhere
from mlserve.runtime.processors.base import Arrays, Context, Metadata
from mlserve.runtime.protocols.base import check_object, parse_json
from mlserve.runtime.raw_bodies import REPLY, REQUEST, STATUS, as_bytes, boxed

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
        waits = inspect.iscoroutinefunction(getattr(self._model, "predict", None))
        about = Metadata(platform="python_kserve", open=True, trusted=False, context=True, raw=_PATHS)
        return replace(about, concurrent=waits)

    def predict(self, inputs: Arrays, context: Context) -> Arrays:
        with _refusing():
            outputs: Arrays = settled_all(self._work(inputs, context))
        return outputs

    async def answer(self, inputs: Arrays, context: Context) -> Arrays:
        """The same in the event loop of the processor's own code, where many requests wait at once."""
        with _refusing():
            outputs: Arrays = await awaited_all(self._work(inputs, context))
        return outputs

    def start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return start(work)

    def _work(self, inputs: Arrays, context: Context) -> Work:
        headers = dict(context.parameters.get("headers") or {})
        if inputs.keys() == {REQUEST} and inputs[REQUEST].ndim == 0:
            path = str(context.parameters.get("path", ""))
            body = yield from self._body(inputs[REQUEST].item(), headers, path)
            return {REPLY: boxed(body)[REQUEST], STATUS: np.array(200, dtype=np.int32)}
        result = yield from self._asked(request(self._service, inputs, context), headers, "predict")
        return arrays(result)

    def _body(self, body: bytes, headers: dict[str, str], path: str) -> Work:
        payload: Any = check_object(parse_json(body), 'a JSON object, such as {"instances": [[…]]}')
        if not is_v2(payload):
            result = yield from self._asked(payload, headers, "explain" if path.endswith(":explain") else "predict")
            return as_bytes(result)
        call = read(self._service, payload)
        asked = request(self._service, call.inputs, Context(call.parameters, call.identity))
        result = yield from self._asked(asked, headers, "predict")
        return call.encode(arrays(result))[0]

    def _asked(self, payload: Any, headers: dict[str, str], verb: str) -> Work:
        result = payload
        for step in ("preprocess", verb, "postprocess"):
            method = getattr(self._model, step, None)
            if method is None and step == verb:
                raise InvalidInput(f"{self._class.__name__} has no method {verb}")
            if method is not None:
                result = yield accepting(method, result, headers=headers)
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


@contextmanager
def _refusing() -> Iterator[None]:
    """Errors with a status of their own become refusals with it."""
    try:
        yield
    except InvalidInput:
        raise
    except Exception as exc:
        refusal = _refusal(exc)
        if refusal is None:
            raise
        raise refusal from exc


def _refusal(exc: Exception) -> InvalidInput | None:
    """The error with the status it asks for; None where it asks for none."""
    status = getattr(exc, "status_code", None) or _STATUSES.get(type(exc).__name__)
    if not isinstance(status, int):
        return None
    said = getattr(exc, "reason", None) or getattr(exc, "detail", None) or str(exc) or type(exc).__name__
    return Refused(str(said), int(status))
