"""A deployed service, to be asked through the gateway or directly."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlserve.context import find
from mlserve.errors import Denied, InvalidInput, MlserveError, NotFound, RequestFailed
from mlserve.management import Management, service_path
from mlserve.predictor import triton
from mlserve.predictor.calling import Calls, calls_of
from mlserve.predictor.direct import Direct
from mlserve.transport import NotConnected, Reply, Transport

_KINDS = {
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".txt": "text/plain",
    ".csv": "text/csv",
}
_RAW = "application/octet-stream"
_UNNAMED = 'name it in "calls" of the descriptor of the service that asks'
_CONNECT_SECONDS = 3.0
"""How long a gateway may be away (it comes back within a second) before a request gives up."""


class Predictor:
    """A deployed service, by its endpoint or its name; safe to share between threads, connections are kept.

    In an instance whose descriptor names the service in ``calls``, the name is enough: address and token are there.

    ``timeout``: seconds without any byte of the answer. A request is sent again only where no connection was made.
    ``direct``: its instances are asked, without the gateway on the way (see `Direct`); not every service allows it.
    """

    def __init__(
        self,
        name_or_endpoint: str,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        triton: bool = False,
        direct: bool = False,
    ) -> None:
        self._calls: Calls | None = None
        if "://" not in name_or_endpoint and (calls := calls_of()):
            name_or_endpoint, self._calls = calls.endpoint(name_or_endpoint), None if token else calls
        elif "://" not in name_or_endpoint:
            service = _described(name_or_endpoint)
            name_or_endpoint, token = str(service["endpoint"]), token or service.get("token")
            triton = is_triton(service)
        self._triton = triton
        self.endpoint = name_or_endpoint.rstrip("/")
        self._token = token
        self._transport = _direct(self.endpoint, timeout) if direct else Transport(self.endpoint, timeout=timeout)

    def predict(self, data: Any, *, path: str = "/", content_type: str | None = None, model: str | None = None) -> Any:
        """Ask once: a dict or list goes as JSON, bytes and a ``Path`` as they are; a JSON answer comes back as Python.

        ``model``: one of a Triton server's. It (and the only one of a Triton service) is asked by the Open Inference
        Protocol: values by input name are answered with numpy arrays by output name, a request of that protocol as is.
        Raises InvalidInput (400, 413, 415, 422), Denied (401), NotFound (404), RequestFailed.
        """
        if path == "/" and (model or self._triton):
            place = triton.path_of(self.request, model)
            if (values := triton.arrays_in(data)) is not None:
                return triton.infer(self.request, place, values)
            path = f"{place}/infer"
        body, kind = _body(data)
        return _content(self.request("POST", path, body, content_type or kind))

    def feedback(self, request_id: str, value: float, *, name: str = "reward") -> Any:
        """Tell how an answer turned out (A/B), by its ``x-request-id``; ``name``: by which metric. Told twice it counts
        once. The gateway takes it, and knows of requests through itself alone; raises like ``predict``.
        """
        return self.predict({"request_id": request_id, "value": value, "name": name}, path="/feedback")

    def describe(self) -> dict[str, Any]:
        """What the model says of its inputs and outputs; empty where the service does not say."""
        try:
            answer = _content(self.request("GET", "/describe"))
        except (NotFound, RequestFailed, InvalidInput):
            return {}
        return answer if isinstance(answer, dict) else {}

    def request(
        self,
        method: str,
        path: str = "/",
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Any request to the service; raises like ``predict``."""
        headers = {**(headers or {}), **({"Content-Type": content_type} if content_type else {})}
        token = self._calls.token if self._calls else self._token
        reply = self._exchange(method, path, body, _with(token, headers))
        if reply.status == 401 and self._calls and self._calls.token != token:
            # It was renewed on the way, and the former one ended: that one was refused, so nothing has run.
            reply = self._exchange(method, path, body, _with(self._calls.token, headers))
        if reply.status >= 400:
            raise _error(self.endpoint, reply, _UNNAMED if self._calls and reply.status == 403 else "")
        return reply

    def close(self) -> None:
        """Let go of this thread's connection."""
        self._transport.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<predictor of {self.endpoint}>"

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        deadline = time.monotonic() + _CONNECT_SECONDS
        while True:
            try:
                return self._transport.exchange(method, path, body=body, headers=headers)
            except NotConnected as exc:
                if time.monotonic() > deadline:
                    raise _unanswered(self.endpoint, exc) from exc
                time.sleep(0.1)
            except OSError as exc:
                raise _unanswered(self.endpoint, exc) from exc


def _described(name: str) -> Mapping[str, Any]:
    """The service, or group of services, of that name as the hub describes it; raises NotFound."""
    management = Management(find)
    try:
        return management.get(service_path(name))
    except NotFound:
        try:
            return management.get(f"/v1/groups/{quote(name, safe='')}")
        except NotFound:
            pass
        raise


def is_triton(service: Mapping[str, Any]) -> bool:
    """Whether a service, as the hub describes it, is a Triton server."""
    return (service.get("descriptor") or {}).get("processor") == "triton"


def _with(token: str | None, headers: Mapping[str, str]) -> Mapping[str, str]:
    return {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}


def _direct(endpoint: str, timeout: float) -> Direct:
    gateway, found, service = endpoint.partition("/api/predict/")
    if not found or not service or "/" in service:
        raise InvalidInput(f"{endpoint} is not an endpoint of a service", hint="one ends with /api/predict/NAME")
    return Direct(gateway, service, timeout=timeout)


def _unanswered(endpoint: str, cause: OSError) -> MlserveError:
    return RequestFailed(f"{endpoint} did not answer: {cause}", hint="mlserve doctor checks the gateway")


def _body(data: Any) -> tuple[bytes, str]:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), _kind_of(bytes(data[:1]))
    if isinstance(data, os.PathLike):
        return _file(Path(data))
    try:
        return json.dumps(data, default=_plain).encode(), "application/json"
    except (TypeError, ValueError) as exc:
        raise InvalidInput(
            f"the data can't be sent as JSON: {exc}", hint="send lists, numbers, text, or bytes"
        ) from exc


def _kind_of(head: bytes) -> str:
    return "application/json" if head in (b"{", b"[") else _RAW


def _file(path: Path) -> tuple[bytes, str]:
    try:
        return path.read_bytes(), _KINDS.get(path.suffix.lower(), _RAW)
    except OSError as exc:
        raise InvalidInput(f"{path} can't be read: {exc.strerror}", hint="name a file that exists") from exc


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # arrays and scalars of numpy, pandas, torch
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a list, number or text")


def _content(reply: Reply) -> Any:
    if "json" not in reply.headers.get("content-type", ""):
        return reply.body
    try:
        return json.loads(reply.body)
    except ValueError as exc:
        raise RequestFailed(
            "the service announced JSON and sent something else", hint="mlserve logs shows more"
        ) from exc


def _error(endpoint: str, reply: Reply, hint: str = "") -> MlserveError:
    head = reply.body[:2000].decode(errors="replace")
    detail: dict[str, Any] = {"code": "response", "status": reply.status, "body": head}
    if "retry-after" in reply.headers:
        detail["retry_after"] = reply.headers["retry-after"]
    message = f"{endpoint} answered {reply.status}: {_said(head)}"
    return _class(reply.status)(message, hint=hint or _hint(reply), details=[detail])


def _class(status: int) -> type[MlserveError]:
    known = {
        401: Denied,
        403: Denied,
        404: NotFound,
        400: InvalidInput,
        413: InvalidInput,
        415: InvalidInput,
        422: InvalidInput,
    }
    return known.get(status, RequestFailed)


def _said(head: str) -> str:
    try:
        answer = json.loads(head)
    except ValueError:
        return head.strip()[:500] or "no more was said"
    if not isinstance(answer, dict):
        return head.strip()[:500]
    for key in ("detail", "message", "error"):
        value = answer.get(key)
        if isinstance(value, dict):
            value = value.get("message")
        if value:
            return str(value)
    return head.strip()[:500]


def _hint(reply: Reply) -> str:
    if reply.status in (401, 403):
        return "send the service's token; mlserve describe NAME shows it"
    if reply.status == 404:
        return "mlserve list shows the services"
    if "retry-after" in reply.headers:
        return f"try again in {reply.headers['retry-after']} s"
    if reply.status == 504:
        return "rpc.keepalive in the descriptor is the longest a request may take (ms)"
    return "mlserve logs NAME shows what the service wrote" if reply.status >= 500 else ""
