"""Answer requests: find the path, decode, queue, encode. Health and metrics never queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mlserve.errors import InvalidInput
from mlserve.runtime.access.paths import PREFIX, within
from mlserve.runtime.http.request import Request
from mlserve.runtime.inference import Inference
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.observe.asked import Asked
from mlserve.runtime.observe.paths import Observed
from mlserve.runtime.protocols.base import Model, Page, RequestFormat, dump_json
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.protocols.known_as import own_path
from mlserve.runtime.protocols.offered import more_formats, no_such_model
from mlserve.runtime.protocols.raw import Raw
from mlserve.runtime.protocols.v1 import V1
from mlserve.runtime.protocols.v2 import V2
from mlserve.runtime.protocols.v2_control import EXTENSIONS
from mlserve.runtime.scheduling.dispatch import Dispatcher
from mlserve.runtime.spec import Spec

if TYPE_CHECKING:
    from mlserve.runtime.access.gate import Gate
    from mlserve.runtime.access.refusal import Refusal
    from mlserve.runtime.observe.observer import Observer


_PROBED = "/v2/health/"
"""Asked by whoever looks after instances, also while they start: no requests of clients, and not counted."""


class Route:
    """What one path does: begin an inference, something else to POST, a plain read."""

    __slots__ = ("act", "begin", "read")

    def __init__(self) -> None:
        self.begin: Callable[[Request], None] | None = None
        self.read: Callable[[Request], None] | None = None
        self.act: Callable[[Request], None] | None = None

    @property
    def methods(self) -> str:
        posted = ["POST"] if self.begin or self.act else []
        return ", ".join((["GET", "HEAD"] if self.read else []) + posted + ["OPTIONS"])


class App:
    """The service's paths. Before `serve` only health and metrics answer; ``ready`` is what /v2/health/ready says."""

    def __init__(self, spec: Spec, metrics: Metrics) -> None:
        self.ready = False
        self.dispatcher: Dispatcher | None = None
        """Where other protocols submit their calls, once the model is loaded."""
        self.model: Model | None = None
        self.observer: Observer | None = None
        """Told of each request, of whatever protocol, where somebody watches."""
        self.gate: Gate | None = None
        """Who may ask; None: everybody who reaches it."""
        self._spec, self._service, self._metrics = spec, spec.service, metrics
        self._service = spec.service
        self._busy: list[Dispatcher] = []
        self._routes: dict[str, Route] = {}
        self._elsewhere: Route | None = None  # of a processor that takes what is posted anywhere
        metrics.gauges["mlserve_requests_in_flight"] = (
            "Inference requests accepted and not yet answered.",
            lambda: self.in_flight,
        )
        self._health()

    @property
    def in_flight(self) -> int:
        """Inference requests accepted and not yet answered."""
        return sum(dispatcher.in_flight for dispatcher in self._busy)

    def serve(self, model: Model, dispatcher: Dispatcher, asked: Asked) -> None:
        """The model is loaded: its paths answer from now on."""
        self.model, self.dispatcher, self.observer = model, dispatcher, asked.observer
        raw = Raw(model)
        own: list[RequestFormat] = [Eval(model), V2(model), V1(model)]
        more = more_formats(model, self._metrics, lambda: self.ready)
        self._offer([*own, *more, Observed(self._metrics, asked), raw], dispatcher, self._metrics)
        if asked.explainer is not None:
            from mlserve.runtime.observe.explain_path import ExplainPath, explaining

            metrics, behind = explaining(asked.explainer, self._metrics)
            self._offer([ExplainPath(model)], behind, metrics)
        if raw.everywhere:
            self._elsewhere = self._routes["/"]
        for base in (f"/v2/models/{model.service}", f"/v2/models/{model.service}/versions/{model.version}"):
            self._read(
                f"{base}/ready", lambda request: self._say_ready(request, {"name": self._service, "ready": self.ready})
            )

    def _offer(self, formats: Sequence[RequestFormat], dispatcher: Dispatcher, metrics: Metrics) -> None:
        """Answer the paths of these formats by what is behind the dispatcher."""
        inference = Inference(dispatcher, self._spec, metrics, self.observer)
        self._busy.append(dispatcher)
        for form in formats:
            for path, decode in form.infer().items():
                route = self._routes.setdefault(path, Route())
                route.begin = partial(inference.begin, form, decode)
            for path, read in form.read().items():
                self._read(path, partial(_reply_json, read))
            for path, act in form.act().items():
                self._routes.setdefault(path, Route()).act = partial(_act, form, act)

    def refusal(self, request: Request) -> Refusal | None:
        """Why a request is not let in, if it isn't. Its path is the instance's own from here on."""
        if request.path.startswith(PREFIX):
            request.path = within(request.path, self._service)
        gate = self.gate
        if gate is None or gate.passed_on(request.head.gateway):
            return None
        return gate.refusal(request.method, request.head.path, request.headers, request.body)

    def handle(self, request: Request) -> None:
        """Answer at once, or later from the queue. Never raises."""
        if (why := self.refusal(request)) is not None:
            request.reply(why.status, why.body, extra=why.headers)
            self._metrics.answered(why.status)
            return
        method = request.method
        route = self._routes.get(request.path) or self._routes.get(request.path.rstrip("/"))
        if route is not None and route.begin is not None and method == "POST":
            route.begin(request)
            return
        if route is None and self.model is not None:
            route = self._routes.get(own_path(request.path, request.headers, self.model))
        if (route is None or route.begin is None) and method == "POST" and self._elsewhere is not None:
            route = self._elsewhere
        if route is None:
            self._unknown(request)
        elif method == "POST" and route.begin is not None:
            route.begin(request)
            return
        elif method == "POST" and route.act is not None:
            route.act(request)
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
        if not request.path.startswith(_PROBED):
            self._metrics.answered(request.status)

    def _health(self) -> None:
        self._read("/v2/health/live", lambda request: request.reply(200, dump_json({"live": True})))
        self._read("/v2/health/ready", lambda request: self._say_ready(request, {"ready": self.ready}))
        self._read("/v2", partial(_reply_json, about_server))
        self._read(
            "/metrics",
            lambda request: request.reply(200, self._metrics.render(), b"text/plain; version=0.0.4; charset=utf-8"),
        )

    def _say_ready(self, request: Request, body: Any) -> None:
        request.reply(200 if self.ready else 503, dump_json(body))

    def _read(self, path: str, read: Callable[[Request], None]) -> None:
        self._routes.setdefault(path, Route()).read = read

    def _unknown(self, request: Request) -> None:
        path = request.path
        if self.dispatcher is None or self.model is None:
            self._refuse(request, 503, "the model is still being loaded", b"retry-after: 1\r\n")
        elif (reason := no_such_model(path, self.model)) is not None:
            self._refuse(request, 404, reason)
        else:
            paths = ", ".join(sorted(self._routes)[:20])
            self._refuse(request, 404, f"nothing at {path} (paths: {paths})")

    def _refuse(self, request: Request, status: int, reason: str, extra: bytes = b"") -> None:
        request.reply(status, dump_json({"error": reason}), extra=extra)


def _reply_json(read: Callable[[], Any], request: Request) -> None:
    _reply(request, read())


def _act(form: RequestFormat, act: Callable[[Request], Any], request: Request) -> None:
    try:
        _reply(request, act(request))
    except InvalidInput as exc:
        request.reply(exc.status, form.error(exc))


def _reply(request: Request, answer: Any) -> None:
    if isinstance(answer, Page):
        request.reply(200, answer.body, answer.kind, answer.headers)
    else:
        request.reply(200, dump_json(answer))


def about_server() -> dict[str, Any]:
    """Name, version and extensions, for the metadata of any protocol."""
    from importlib import metadata  # slow to import, and rarely asked for

    try:
        version = metadata.version("mlserve")
    except metadata.PackageNotFoundError:  # an instance sees the package by a link, without its metadata
        version = "0"
    return {"name": "mlserve", "version": version, "extensions": EXTENSIONS}
