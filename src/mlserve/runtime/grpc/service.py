"""Every method that can be called, by its path: the inference protocol, health and reflection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from mlserve.runtime import protobuf
from mlserve.runtime.grpc import status
from mlserve.runtime.grpc.about import About
from mlserve.runtime.grpc.calls import Many, One
from mlserve.runtime.grpc.framing import check_encoding
from mlserve.runtime.grpc.health import Health
from mlserve.runtime.grpc.infer import Infer
from mlserve.runtime.grpc.infer_stream import InferStream
from mlserve.runtime.grpc.reflection import Reflection
from mlserve.runtime.grpc.status import Refused
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.protobuf import Method
from mlserve.runtime.spec import Spec

if TYPE_CHECKING:
    from mlserve.runtime.app import App
    from mlserve.runtime.http2.stream import Stream

_PROTOS = Path(__file__).parent / "protos"
_METHODS = 20
_HEALTH = b"/grpc.health.v1.Health/"
"""Anybody may ask for it, as over HTTP."""


class Service:
    """Answers gRPC for one instance, from before its model is loaded until it ends."""

    def __init__(self, app: App, spec: Spec, metrics: Metrics) -> None:
        self._app, self._limit = app, spec.max_body
        self._metrics = metrics
        self._begin: dict[bytes, Callable[[Stream], One | Many]] = {}
        inference = protobuf.load(_PROTOS / "inference.proto")
        infer = Infer(app, inference.messages, metrics, spec.keepalive_ms / 1000)
        about, health = About(app, inference.messages, metrics), Health(app, spec.service)
        for name, method in inference.methods.items():
            if method.takes_many:
                self._many(method, partial(InferStream, infer))
            elif name == "ModelInfer":
                self._begin[method.path] = partial(self._take_one, infer.run)
        for name, answer in about.methods.items():
            self._one(inference.methods[name], answer)
        checks = protobuf.load(_PROTOS / "health.proto")
        self._one(checks.methods["Check"], partial(health.check, checks))
        self._begin[checks.methods["Watch"].path] = partial(self._take_one, partial(health.watch, checks))
        reflected = [protobuf.load(_PROTOS / f"reflection_{version}.proto") for version in ("v1", "v1alpha")]
        for package in reflected:
            self._many(
                package.methods["ServerReflectionInfo"], Reflection([inference, checks, *reflected], package).talk
            )

    def accept(self, stream: Stream) -> None:
        """A call begins."""
        begin = self._begin.get(stream.head.path)
        try:
            self._let_in(stream)
            if begin is None or stream.head.method != "POST":
                raise Refused(status.UNIMPLEMENTED, self._unknown(stream.head.path))
            check_encoding(stream.head.encoding)
        except Refused as exc:
            One(stream, _never, 0).fail(exc.grpc, str(exc))
            return
        stream.receiver = begin(stream)

    def _let_in(self, stream: Stream) -> None:
        gate, head = self._app.gate, stream.head
        if gate is None or gate.passed_on(head.gateway) or head.path.startswith(_HEALTH):
            return
        why = gate.refusal(head.method, head.path.decode("latin-1"), head.headers)
        if why is not None:
            denied = status.UNAUTHENTICATED if why.status == 401 else status.PERMISSION_DENIED
            raise Refused(denied, why.message)

    def _take_one(self, run: Callable[[One, bytes | memoryview], None], stream: Stream) -> One:
        return One(stream, run, self._limit)

    def _one(self, method: Method, answer: Callable[[Any], Any]) -> None:
        """A method that is answered at once."""

        def run(call: One, message: bytes | memoryview) -> None:
            try:
                asked = method.request.FromString(bytes(message))
            except DecodeError as exc:
                words = f"the message is no {method.request.DESCRIPTOR.name}: {exc}"
                raise Refused(status.INVALID_ARGUMENT, words) from None
            written: bytes = answer(asked).SerializeToString()
            call.answer([written], len(written))

        self._begin[method.path] = partial(self._take_one, run)

    def _many(self, method: Method, talk: Callable[[Many], Any]) -> None:
        self._begin[method.path] = lambda stream: Many(stream, talk, self._limit)

    def _unknown(self, path: bytes) -> str:
        methods = sorted(known.decode() for known in self._begin)[:_METHODS]
        return f"no method {path[:200].decode('latin-1')} (methods: {', '.join(methods)}, …)"


def _never(call: One, message: bytes | memoryview) -> None:
    raise AssertionError("a call that was refused gets no message")
