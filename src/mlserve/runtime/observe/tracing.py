"""Send OpenTelemetry spans: one for each request of a trace that is kept, with its wait and its call of the model."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mlserve.runtime.observe.access_log import name_of
from mlserve.runtime.observe.exchange import Exchange
from mlserve.runtime.observe.libraries import needed
from mlserve.runtime.observe.trace_context import Trace

REQUIREMENTS: tuple[str, ...] = ("opentelemetry-sdk>=1.25", "opentelemetry-exporter-otlp-proto-http>=1.25")

_SERVER_ERROR = 500
_SECOND = 1_000_000_000


class Tracing:
    """The caller's decision holds; requests that come without one are traced by ``percent``."""

    tensors: ClassVar[bool] = False

    def __init__(self, wished: Mapping[str, Any], service: str, version: int) -> None:
        percent = wished.get("percent")
        self._share = 1.0 if percent is None else float(percent) / 100
        self._endpoint = str(wished.get("endpoint") or "")
        self._ids = _Ids()
        self._provider = _provider(self._endpoint, service, version, self._ids)
        self._tracer = self._provider.get_tracer("mlserve")
        self._model = {"mlserve.service": service, "mlserve.version": version}

    def sample(self) -> bool:
        """Whether a request that begins a trace is kept."""
        return self._share >= 1 or random.random() < self._share  # noqa: S311 - a sample, not a secret

    def wants(self, headers: Mapping[bytes, bytes], trace: Trace | None) -> bool:
        return trace is not None and trace.sampled

    def take(self, exchanges: list[Exchange], clock: float) -> None:
        for exchange in exchanges:
            if exchange.trace is not None:
                self._send(exchange, exchange.trace, clock)

    def tick(self) -> None:
        """The exporter has a thread and a clock of its own."""

    def close(self) -> None:
        self._provider.shutdown()

    def state(self) -> dict[str, Any]:
        shown = re.sub(r"//[^/@]*@", "//***@", self._endpoint)
        return {"tracing": {"endpoint": shown, "percent": self._share * 100}}

    def _send(self, exchange: Exchange, trace: Trace, clock: float) -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context

        def at(moment: float) -> int:
            return int((moment + clock) * _SECOND)

        self._ids.follow(trace)
        name = f"{exchange.method} {exchange.path}"
        whole = self._tracer.start_span(
            name, _caller(trace), SpanKind.SERVER, self._attributes(exchange), start_time=at(exchange.began)
        )
        inside = set_span_in_context(whole)
        if exchange.started:
            computed = exchange.computed or exchange.ended
            waited = self._tracer.start_span("queue", inside, start_time=at(exchange.submitted))
            waited.end(at(exchange.started))
            told = {"mlserve.batch_size": exchange.batch}
            called = self._tracer.start_span("compute", inside, attributes=told, start_time=at(exchange.started))
            called.end(at(computed))
        if exchange.status >= _SERVER_ERROR:
            from opentelemetry.trace import Status, StatusCode

            whole.set_status(Status(StatusCode.ERROR, f"answered {exchange.status}"))
        whole.end(at(exchange.ended))

    def _attributes(self, exchange: Exchange) -> dict[str, Any]:
        return {
            **self._model,
            "http.request.method": exchange.method,
            "url.path": exchange.path,
            "http.response.status_code": exchange.status,
            "network.protocol.name": exchange.protocol,
            "mlserve.request_id": name_of(exchange),
            "mlserve.rows": exchange.rows,
            "mlserve.batch_size": exchange.batch,
        }


class _Ids:
    """Span and trace ids for the library: those that a request has already been given first, then random ones."""

    def __init__(self) -> None:
        self._trace: Trace | None = None

    def follow(self, trace: Trace) -> None:
        """The next span is the one that the request's own calls have named as their parent."""
        self._trace = trace

    def generate_span_id(self) -> int:
        given, self._trace = self._trace, None
        return int(given.span, 16) if given else random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        """Asked for before the span's, and only where no caller began the trace."""
        return int(self._trace.identity, 16) if self._trace else random.getrandbits(128) or 1

    def is_trace_id_random(self) -> bool:
        return True


def _caller(trace: Trace) -> Any:
    """The library's context: the caller's span, or none."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

    if not trace.parent:
        return Context()
    state = TraceState.from_header([trace.state]) if trace.state else None
    flags = TraceFlags(TraceFlags.SAMPLED)
    told = SpanContext(int(trace.identity, 16), int(trace.parent, 16), True, flags, state)
    return set_span_in_context(NonRecordingSpan(told), Context())


def _provider(endpoint: str, service: str, version: int, ids: Any) -> Any:
    with needed("tracing", REQUIREMENTS):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    exporter: Callable[..., Any] = OTLPSpanExporter
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # what is not wanted never comes so far
        resource=Resource.create({"service.name": service, "service.version": str(version)}),
        id_generator=ids,
        shutdown_on_exit=False,
    )
    sender = exporter(endpoint=traces_url(endpoint)) if endpoint else exporter()
    provider.add_span_processor(BatchSpanProcessor(sender))
    return provider


def traces_url(endpoint: str) -> str:
    """The collector's address, with the path for traces where it has none."""
    bare = endpoint.rstrip("/")
    _, _, path = bare.partition("://")[2].partition("/")
    return bare if path else f"{bare}/v1/traces"
