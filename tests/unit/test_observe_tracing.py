"""Spans as a collector gets them: over OTLP/HTTP, from a running instance."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from observe_kit import PARENT, PROCESSOR, python
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from runtime_kit import IRIS, ROW, serving
from tests.waiting import until

from mlserve.runtime.observe.trace_context import child, current_trace, read, within
from mlserve.runtime.observe.tracing import traces_url

TRACE, SPAN = PARENT.split("-")[1:3]


class Collector:
    """Decodes what is sent to it."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resource: dict[str, str] = {}
        self.paths: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(self.path, gzip.decompress(body) if self.headers["content-encoding"] else body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Not into the tests' output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        self.paths.add(path)
        for told in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource = {item.key: item.value.string_value for item in told.resource.attributes}
            self.spans += [span for scope in told.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        thread.join()
        collector.server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


def test_a_request_is_a_span_below_its_callers_with_its_wait_and_its_call_below(tmp_path: Path) -> None:
    with collecting() as collector:
        wished = {"endpoint": collector.address, "percent": 0}
        with serving(tmp_path, model_path=str(IRIS), tracing=wished) as instance:
            before = time.time_ns()
            assert instance.post("/eval", ROW, traceparent=PARENT, tracestate="a=1", x_request_id="r-7").status == 200
            instance.post("/eval", ROW)  # begins no trace: percent is 0
            instance.post("/eval", ROW, traceparent=PARENT[:-2] + "00")  # its caller has decided against it
            instance.stop()  # what was collected is sent before the end
            after = time.time_ns()
        (whole,) = collector.named("POST /eval")
        (queued,), (computed,) = collector.named("queue"), collector.named("compute")
    assert collector.paths == {"/v1/traces"}
    assert (collector.resource["service.name"], collector.resource["service.version"]) == ("iris", "3")
    assert (whole.trace_id.hex(), whole.parent_span_id.hex(), whole.trace_state) == (TRACE, SPAN, "a=1")
    assert {queued.parent_span_id, computed.parent_span_id} == {whole.span_id}
    assert {queued.trace_id, computed.trace_id} == {whole.trace_id}
    assert before <= whole.start_time_unix_nano <= queued.start_time_unix_nano <= computed.start_time_unix_nano
    assert computed.end_time_unix_nano <= whole.end_time_unix_nano <= after
    told = attributes(whole)
    assert {k: told[k] for k in ("mlserve.service", "mlserve.version", "mlserve.batch_size")} == {
        "mlserve.service": "iris", "mlserve.version": 3, "mlserve.batch_size": 1,
    }  # fmt: skip
    assert (told["http.response.status_code"], told["mlserve.request_id"]) == (200, "r-7")


def test_what_a_processor_calls_has_the_requests_own_span_as_its_parent(tmp_path: Path) -> None:
    with collecting() as collector:
        wished = {"endpoint": f"{collector.address}/v1/traces"}
        with serving(tmp_path / "home", **python(tmp_path, PROCESSOR), tracing=wished) as instance:
            seen = instance.post("/eval", {"x": [1]}, traceparent=PARENT).json["trace"]
            begun = instance.post("/eval", {"x": [1]}).json["trace"]
            until(lambda: len(collector.named("POST /eval")) == 2, "two spans")
    first, second = sorted(collector.named("POST /eval"), key=lambda span: span.start_time_unix_nano)
    assert seen == f"00-{first.trace_id.hex()}-{first.span_id.hex()}-01"
    assert begun == f"00-{second.trace_id.hex()}-{second.span_id.hex()}-01"
    assert second.parent_span_id == b""


def test_a_collector_that_is_down_costs_nobody_an_answer(tmp_path: Path) -> None:
    wished = {"endpoint": "http://127.0.0.1:9", "percent": 100}
    with serving(tmp_path, model_path=str(IRIS), tracing=wished) as instance:
        assert all(instance.post("/eval", ROW).status == 200 for _ in range(20))
        begun = time.monotonic()
        assert instance.stop() == 0
        assert time.monotonic() - begun < 8


@pytest.mark.parametrize(
    "header",
    [
        b"", b"00", PARENT.encode()[:-1], PARENT.encode() + b"-more", b"ff" + PARENT.encode()[2:],
        PARENT.upper().encode(), PARENT.replace(TRACE, "0" * 32).encode(), PARENT.replace(SPAN, "0" * 16).encode(),
    ],
)  # fmt: skip
def test_a_trace_that_can_not_be_read_is_none(header: bytes) -> None:
    assert read({b"traceparent": header}) is None


def test_a_later_version_of_the_header_is_read_as_far_as_it_is_known() -> None:
    found = read({b"traceparent": b"01" + PARENT.encode()[2:] + b"-more", b"tracestate": b"a=1"})
    assert found is not None
    assert found.headers() == {"traceparent": PARENT, "tracestate": "a=1"}


def test_a_trace_is_current_only_while_its_request_is_worked_for() -> None:
    trace = child(None, sampled=True)
    with within(trace):
        assert current_trace() is trace
    assert current_trace() is None


def test_an_endpoint_without_a_path_gets_the_one_of_traces() -> None:
    assert traces_url("http://c:4318") == traces_url("http://c:4318/") == "http://c:4318/v1/traces"
    assert traces_url("https://c/otlp/v1/traces") == "https://c/otlp/v1/traces"
