"""What a request format offers: its paths, and for each how a body becomes arrays and arrays become a reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import orjson

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import JSON, Request
from mlserve.runtime.numeric_json import LARGE, parse_large
from mlserve.runtime.processors.base import Sequence
from mlserve.runtime.signature import Signature
from mlserve.runtime.tensors import Array

if TYPE_CHECKING:
    from mlserve.runtime.observe.trace_context import Trace

Reply = tuple[bytes, bytes, bytes]
"""Body, content type, more header lines."""


Encode = Callable[[Mapping[str, Array]], Reply]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Call:
    """One request, decoded and checked: its arrays, how their outputs are written back, and what it wishes."""

    # What most requests never change is kept with the class: making one is on the way of every request.
    status = 200
    """Of an answer that was encoded."""
    parameters: Mapping[str, Any] = NOTHING
    identity = ""
    priority = 0
    """1 is the most urgent; 0: as usual."""
    timeout: float | None = None
    """Seconds it may wait in the queue, where the request says so."""
    sequence: Sequence | None = None
    prepare: Callable[[], None] | None = None
    """Work before the queue that is too long for the event loop (pictures, tables): run on another thread, it
    fills ``inputs``, ``rows`` and ``encode``, or raises InvalidInput."""
    slow = False
    """``encode`` is too long for the event loop, too."""
    trace: Trace | None = None
    """Of the W3C, where the request came with one or is to have one."""

    def __init__(
        self,
        inputs: dict[str, Array],
        rows: int,
        encode: Encode,
        *,
        parameters: Mapping[str, Any] = NOTHING,
        identity: str = "",
        priority: int = 0,
        timeout: float | None = None,
        sequence: Sequence | None = None,
    ) -> None:
        self.inputs = inputs
        self.rows = rows
        self.encode = encode
        if parameters:
            self.parameters = parameters
        if identity:
            self.identity = identity
        if priority:
            self.priority = priority
        if timeout is not None:
            self.timeout = timeout
        if sequence is not None:
            self.sequence = sequence


class StreamCall(Call):
    """One request with any number of answers: ``encode`` is called for each, ``fail`` for an error on the way."""

    def __init__(
        self, inputs: dict[str, Array], rows: int, encode: Encode, kind: bytes, fail: Callable[[str, str], bytes],
        **wishes: Any,
    ) -> None:  # fmt: skip
        super().__init__(inputs, rows, encode, **wishes)
        self.kind = kind
        """The content type of the whole."""
        self.fail = fail
        """A last part for an error: from its text and its code."""


class UnsupportedMedia(InvalidInput):
    """A body of a type that this path does not take."""

    code, status = "unsupported-media-type", 415


class NotAcceptable(InvalidInput):
    """The client takes none of the types that this answer can be written in."""

    code, status = "not-acceptable", 406


@dataclass(frozen=True, slots=True)
class Model:
    """What a protocol needs to know of the service."""

    service: str
    version: int
    signature: Signature
    config: Mapping[str, Any] = field(default_factory=dict)
    """``model_config``, for what it says of inputs and outputs."""
    example: Mapping[str, Array] | None = None
    """Inputs that the model was warmed up with."""
    watched: frozenset[str] = frozenset()
    """Which of ``drift`` and ``explain`` the descriptor asks for."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a read answers where it is not JSON."""

    body: bytes
    kind: bytes
    headers: bytes = b""
    """More lines for its head, each with its end."""


class RequestFormat(Protocol):
    """One protocol. `infer` and `read` are looked at once, at the start."""

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        """POST paths: raise InvalidInput for what can't be used, before it is queued."""

    def read(self) -> Mapping[str, Callable[[], Any]]:
        """GET paths: an object to send as JSON, or a `Page`."""

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        """POST paths that ask nothing of the model: the same, or an InvalidInput or NotFound."""

    def error(self, error: InvalidInput) -> bytes:
        """The body that goes with a refusal."""


def parse_json(body: bytes) -> Any:
    """A JSON body; raises InvalidInput that says where it goes wrong."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        hint = (
            "JSON has no NaN: send null for a missing number"
            if b"NaN" in body[max(0, exc.pos - 4) : exc.pos + 4]
            else ""
        )
        what = "the body is empty, a JSON object is wanted" if not body.strip() else f"the body is not JSON: {exc}"
        raise InvalidInput(f"{what}; {hint}" if hint else what) from None


def parse_tensors(body: bytes) -> Any:
    """A JSON body that may hold long arrays: in a large one they stay `Numbers` until their datatype is known."""
    if len(body) < LARGE:
        return parse_json(body)
    try:
        return parse_large(body, orjson.loads)
    except orjson.JSONDecodeError:
        return parse_json(body)


def dump_json(value: Any) -> bytes:
    """JSON with numpy arrays inside; NaN and Infinity are written as ``null``, for JSON has no other word."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain)


def jsonable(array: Array) -> Any:
    """An array as `dump_json` takes it."""
    if array.dtype.kind in "OUS":
        return texts(array)
    if array.ndim == 0:
        return array.item()
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def texts(array: Array) -> Any:
    """Text and other objects as nested lists."""
    return _decoded(array.tolist())


def simple_error(error: InvalidInput) -> bytes:
    return dump_json({"error": error.message})


def check_object(value: Any, wanted: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise InvalidInput(f"the body wants {wanted}; came {_word(value)}")


def content_type(request: Request) -> bytes:
    """The media type alone, lower case; ``b""`` where none was sent."""
    return request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return texts(value) if value.dtype.kind in "OUS" else value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def _word(value: Any) -> str:
    return {list: "a list", str: "text", type(None): "null", bool: "true/false"}.get(type(value), "a number")


__all__ = ["JSON", "Call", "Model", "NotAcceptable", "Page", "Reply", "RequestFormat", "StreamCall", "UnsupportedMedia"]
