"""Answer requests: find the path, decode, queue, encode. Health and metrics never queue."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.encodings import unpack
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.protocols.base import Call, Model, RequestFormat, dump_json
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.protocols.raw import Raw
from mlserve.runtime.protocols.v1 import V1
from mlserve.runtime.protocols.v2 import V2
from mlserve.runtime.queue import Expired, Job, Queue, QueueFull
from mlserve.runtime.report import log
from mlserve.runtime.request import Request
from mlserve.runtime.spec import Spec
from mlserve.runtime.workers import Outcome

EXTENSIONS = ("binary_tensor_data", "parameters")
_DIGITS = 12


class Route:
    """What one path does: an inference protocol's decode, a plain read, or both."""

    __slots__ = ("decode", "format", "read")

    def __init__(self) -> None:
        self.decode: Callable[[Request], Call] | None = None
        self.format: RequestFormat | None = None
        self.read: Callable[[Request], None] | None = None

    @property
    def methods(self) -> str:
        return ", ".join((["GET", "HEAD"] if self.read else []) + (["POST"] if self.decode else []) + ["OPTIONS"])


class App:
    """The service's paths. Before `serve` only health and metrics answer; ``ready`` is what /v2/health/ready says."""

    def __init__(self, spec: Spec, metrics: Metrics) -> None:
        self.ready = False
        self.in_flight = 0
        self._service, self._metrics = spec.service, metrics
        self._deadline, self._max_body = spec.keepalive_ms / 1000, spec.max_body
        self._queue: Queue | None = None
        self._kin: Callable[[Any], object] = _alike
        self._routes: dict[str, Route] = {}
        self._elsewhere: Route | None = None  # of a processor that takes what is posted anywhere
        metrics.gauges["mlserve_requests_in_flight"] = (
            "Inference requests accepted and not yet answered.",
            lambda: self.in_flight,
        )
        self._health()

    def serve(self, model: Model, queue: Queue) -> None:
        """The model is loaded: its paths answer from now on."""
        self._queue = queue
        self._kin = model.signature.kin
        raw = Raw(model)
        formats: list[RequestFormat] = [Eval(model), V2(model), V1(model), raw]
        for form in formats:
            for path, decode in form.infer().items():
                route = self._routes.setdefault(path, Route())
                route.decode, route.format = decode, form
            for path, read in form.read().items():
                self._read(path, partial(_reply_json, read))
        if raw.everywhere:
            self._elsewhere = self._routes["/"]
        for base in (f"/v2/models/{model.service}", f"/v2/models/{model.service}/versions/{model.version}"):
            self._read(
                f"{base}/ready", lambda request: self._say_ready(request, {"name": self._service, "ready": self.ready})
            )
        metrics = self._metrics.gauges
        metrics["mlserve_queue_depth"] = ("Requests waiting for a slot.", lambda: queue.depth)
        metrics["mlserve_slots_busy"] = ("Worker threads in the processor.", lambda: queue.running)
        metrics["nv_inference_pending_request_count"] = ("Requests waiting for a slot.", lambda: queue.depth)

    def handle(self, request: Request) -> None:
        """Answer at once, or later from the queue. Never raises."""
        route = self._routes.get(request.path) or self._routes.get(request.path.rstrip("/"))
        method = request.method
        if (route is None or route.decode is None) and method == "POST" and self._elsewhere is not None:
            route = self._elsewhere
        if route is None:
            self._unknown(request)
        elif method == "POST" and route.decode is not None:
            self._infer(request, route)
            return
        elif method in ("GET", "HEAD") and route.read is not None:
            route.read(request)
        elif method == "OPTIONS":
            request.reply(204, b"", b"", b"allow: %s\r\n" % route.methods.encode())
        else:
            self._refuse(
                request,
                405,
                f"{method} is not allowed here (allowed: {route.methods})",
                b"allow: %s\r\n" % route.methods.encode(),
            )
        self._metrics.answered(request.status)

    def _infer(self, request: Request, route: Route) -> None:
        queue, form, decode = self._queue, route.format, route.decode
        assert queue and form and decode  # noqa: S101, PT018 - `serve` sets them together
        try:
            if b"content-encoding" in request.headers:
                request.body = unpack(request.body, request.headers[b"content-encoding"], self._max_body)
            call = decode(request)
            job = Job(
                call.inputs,
                call.rows,
                self._kin(call.inputs),
                partial(self._done, request, call, form, perf_counter()),
                self._left(request),
            )
            queue.submit(job)
        except InvalidInput as exc:
            self._failed(request, exc.status, "bad-request", form.error(exc))
        except QueueFull as exc:
            extra = b"retry-after: %d\r\nx-mlserve-overloaded: 1\r\n" % exc.retry_after
            self._failed(
                request,
                503,
                "queue-full",
                dump_json({"error": "the queue is full; try again later", "code": "queue-full"}),
                extra,
            )
        except Exception as exc:  # noqa: BLE001 - one odd body must not take the connection or the server with it
            self._crashed(request, exc, "decoding the request failed")
        else:
            self.in_flight += 1
            if not request.answered:
                request.on_gone = partial(self._gone, job)

    def _done(self, request: Request, call: Call, form: RequestFormat, begun: float, outcome: Outcome) -> None:
        self.in_flight -= 1
        if isinstance(outcome, BaseException):
            self._explain(request, form, outcome)
            return
        try:
            body, kind, extra = call.encode(outcome)
        except InvalidInput as exc:
            self._explain(request, form, exc)
            return
        except Exception as exc:  # noqa: BLE001 - a user's output may hold anything
            self._crashed(request, exc, "the processor's outputs can't be written")
            return
        metrics = self._metrics
        if call.status < 400:
            metrics.succeeded += 1
        else:
            metrics.failure("processor-status")
        metrics.answered(call.status)
        metrics.total.observe(perf_counter() - begun)
        request.reply(call.status, body, b"application/json" if kind is None else kind, extra)

    def _explain(self, request: Request, form: RequestFormat, error: BaseException) -> None:
        if isinstance(error, InvalidInput):
            try:
                words = form.error(error)
            except Exception as exc:  # noqa: BLE001 - a user's error may hold anything
                self._crashed(request, exc, "the error can't be written")
            else:
                self._failed(request, error.status, "bad-request", words)
        elif isinstance(error, Expired):
            said = f"no answer within {self._deadline:g} s (metadata.rpc.keepalive)"
            self._failed(request, 504, "deadline", dump_json({"error": said, "code": "deadline"}))
        else:
            self._crashed(request, error, "the processor failed")

    def _crashed(self, request: Request, error: BaseException, what: str) -> None:
        text = "".join(traceback.format_exception(error)).rstrip()
        said = _words(error)
        log("request-failed", path=request.path, error=said)
        for line in text.splitlines():
            log(line)
        words = f"{what}: {said}"[:2000]
        self._failed(request, 500, "processor", dump_json({"error": words, "code": "processor-failed"}))

    def _failed(self, request: Request, status: int, reason: str, body: bytes, extra: bytes = b"") -> None:
        self._metrics.failure(reason)
        self._metrics.answered(status)
        request.reply(status, body, extra=extra)

    def _gone(self, job: Job) -> None:
        self.in_flight -= 1
        if self._queue is not None:
            self._queue.drop(job)

    def _left(self, request: Request) -> float:
        asked = request.headers.get(b"x-envoy-expected-rq-timeout-ms")
        if asked is not None and asked.isdigit() and len(asked) < _DIGITS and int(asked):
            return min(self._deadline, int(asked) / 1000)
        return self._deadline

    def _health(self) -> None:
        self._read("/v2/health/live", lambda request: request.reply(200, dump_json({"live": True})))
        self._read("/v2/health/ready", lambda request: self._say_ready(request, {"ready": self.ready}))
        self._read("/v2", partial(_reply_json, _about))
        self._read(
            "/metrics",
            lambda request: request.reply(200, self._metrics.render(), b"text/plain; version=0.0.4; charset=utf-8"),
        )

    def _say_ready(self, request: Request, body: Any) -> None:
        request.reply(200 if self.ready else 503, dump_json(body))

    def _read(self, path: str, read: Callable[[Request], None]) -> None:
        self._routes.setdefault(path, Route()).read = read

    def _unknown(self, request: Request) -> None:
        path, own = request.path, f"/{self._service}"
        if self._queue is None:
            self._refuse(request, 503, "the model is still being loaded", b"retry-after: 1\r\n")
        elif path.startswith(("/v1/models/", "/v2/models/")) and own not in path:
            name = path.split("/")[3].split(":")[0]
            self._refuse(request, 404, f'no model "{name}" here (model: {self._service})')
        else:
            paths = ", ".join(sorted(self._routes)[:20])
            self._refuse(request, 404, f"nothing at {path} (paths: {paths})")

    def _refuse(self, request: Request, status: int, reason: str, extra: bytes = b"") -> None:
        request.reply(status, dump_json({"error": reason}), extra=extra)


def _reply_json(read: Callable[[], Any], request: Request) -> None:
    request.reply(200, dump_json(read()))


def _words(error: BaseException) -> str:
    """Type and text, as can be written: a user's exception may fail to say it, or hold half a character."""
    try:
        said = str(error)
    except Exception as exc:  # noqa: BLE001
        said = f"(its text can't be had: {type(exc).__name__})"
    return f"{type(error).__name__}: {said}".encode("utf-8", "replace").decode()


def _alike(_inputs: Any) -> object:
    return None


def _about() -> Any:
    from importlib import metadata  # slow to import, and rarely asked for

    try:
        version = metadata.version("mlserve")
    except metadata.PackageNotFoundError:  # an instance sees the package by a link, without its metadata
        version = "0"
    return {"name": "mlserve", "version": version, "extensions": EXTENSIONS}
