"""The parts that watch, each by itself: exact, bounded, and thread-safe where it must be."""

from __future__ import annotations

import base64
import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mlserve.errors import InvalidInput
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.observe import distance
from mlserve.runtime.observe.capture import Capture
from mlserve.runtime.observe.capture_folder import CaptureFolder
from mlserve.runtime.observe.columns import assembled, match
from mlserve.runtime.observe.exchange import Exchange
from mlserve.runtime.observe.observer import Observer
from mlserve.runtime.observe.realtime import told
from mlserve.runtime.observe.record import tensor
from mlserve.runtime.observe.samples import read_sample
from mlserve.runtime.observe.table import Table
from mlserve.runtime.observe.trace_context import Trace
from mlserve.runtime.observe.user_metrics import UserMetrics
from mlserve.runtime.processors.base import Metadata, Processor, Tensor
from mlserve.runtime.spec import read_spec

# what is asked for


def test_the_environment_may_ask_too() -> None:
    told = {"MLSERVE_RUNTIME": '{"service": "s", "processor": "onnx"}'}
    assert (read_spec(told).access_log, read_spec(told).tracing) == (False, None)
    asked = read_spec({**told, "MLSERVE_ACCESS_LOG": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"})
    assert (asked.access_log, asked.tracing) == (True, {})


# metrics


def test_statistics_speak_as_the_protocol_does() -> None:
    metrics = Metrics("iris", 3)
    metrics.ran(4, 0.002, requests=2)
    metrics.ran(1, 0.001)
    for seconds in (0.003, 0.004):
        metrics.total.observe(seconds)
    metrics.succeeded, metrics.input_seconds, metrics.output_seconds = 2, 0.0002, 0.0004
    metrics.failure("deadline", 0.5)
    found = metrics.statistics()
    assert (found["name"], found["version"], found["inference_count"], found["execution_count"]) == ("iris", "3", 5, 2)
    assert found["inference_stats"]["success"] == {"count": 2, "ns": 7_000_000}
    assert found["inference_stats"]["fail"] == {"count": 1, "ns": 500_000_000}
    assert found["inference_stats"]["compute_infer"] == {"count": 3, "ns": 5_000_000}
    assert found["inference_stats"]["compute_input"] == {"count": 2, "ns": 200_000}
    assert [(batch["batch_size"], batch["compute_infer"]["count"]) for batch in found["batch_stats"]] == [
        (1, 1),
        (4, 1),
    ]
    assert abs(found["last_inference"] / 1000 - time.time()) < 5


def test_sizes_that_clients_choose_do_not_fill_memory() -> None:
    metrics = Metrics("iris", 3)
    for rows in range(1, 5000):
        metrics.ran(rows, 0.001)
    assert len(metrics.sizes) < 64 + 16
    assert metrics.batches().count == 4999


def test_steps_are_timed_by_name_from_any_thread() -> None:
    metrics = Metrics("iris", 3)
    threads = [threading.Thread(target=lambda: [metrics.step("scale", 0.001) for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert b'mlserve_step_seconds_count{service="iris",version="3",step="scale"} 4000\n' in metrics.render()


def test_failures_are_counted_under_the_fields_own_reasons_too() -> None:
    metrics = Metrics("iris", 3)
    for reason in ("queue-full", "client-gone", "processor", "bad-request", "deadline"):
        metrics.failure(reason)
    shown = metrics.render().decode()
    for reason, count in {"REJECTED": 1, "CANCELED": 1, "BACKEND": 1, "OTHER": 2}.items():
        assert f'nv_inference_request_failure{{model="iris",version="3",reason="{reason}"}} {count}\n' in shown
    assert 'mlserve_request_failures_total{service="iris",version="3",reason="queue-full"} 1\n' in shown


# a processor's own


def test_a_metric_is_the_same_one_each_time_it_is_asked_for() -> None:
    metrics = UserMetrics()
    metrics.counter("hits", kind="a").inc()
    metrics.counter("hits", kind="a").inc(2)
    metrics.counter("hits", kind="b").inc()
    (family,) = metrics.families()
    assert family.values == {(("kind", "a"),): 3, (("kind", "b"),): 1}


def test_a_gauge_and_a_histogram_count_exactly_from_many_threads() -> None:
    metrics = UserMetrics()

    def work() -> None:
        for _ in range(2000):
            metrics.gauge("level").inc()
            metrics.histogram("size", buckets=(1, 10)).observe(5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.gauge("level").value == 8000
    assert metrics.histogram("size").value.counts == [0, 8000, 0]


@pytest.mark.parametrize("name", ["", "a b", "1a", "mlserve_x", "nv_x", "é", "x" * 300])
def test_a_name_that_prometheus_or_the_instance_can_not_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="metric"):
        UserMetrics().counter(name)


def test_a_name_has_one_kind() -> None:
    metrics = UserMetrics()
    metrics.counter("x")
    with pytest.raises(ValueError, match="already a counter"):
        metrics.gauge("x")
    with pytest.raises(ValueError, match="only grows"):
        metrics.counter("x").inc(-1)


def test_labels_without_end_do_not_fill_memory_and_are_counted() -> None:
    metrics = UserMetrics()
    for number in range(3000):
        metrics.counter("hits", user=str(number)).inc()
    families = {family.name: family for family in metrics.families()}
    assert len(families["hits"].values) == 1000
    assert families["mlserve_user_series_dropped_total"].values == {(): 2000}


def test_a_processor_that_nobody_serves_has_metrics_that_nobody_sees() -> None:
    class Mine(Processor):
        def predict(self, inputs: dict[str, Any]) -> Any:
            self.metrics.counter("hits").inc()
            return inputs

    mine = Mine()
    mine.predict({})
    assert mine.metrics.counter("hits").value == 1


@pytest.mark.parametrize(
    "body", [3, [3], [{}], [{"name": "x"}], [{"name": "x", "value": True}], [{"name": "x", "value": 1, "tags": 2}]]
)
def test_metrics_from_elsewhere_are_checked(body: Any) -> None:
    with pytest.raises(InvalidInput):
        told(body, UserMetrics())


# drift


def test_the_distance_is_the_one_that_scipy_finds() -> None:
    random = np.random.default_rng(1)
    for shift in (0.0, 0.1, 1.0):
        known, came = np.sort(random.normal(size=400)), np.sort(random.normal(shift, 1, 300).round(1))
        found = distance.numbers(known, came)
        wanted = stats.ks_2samp(known, came, method="asymp")
        assert found[0] == pytest.approx(wanted.statistic)
        assert found[1] == pytest.approx(wanted.pvalue, rel=0.15, abs=1e-9)


def test_words_are_compared_by_their_shares() -> None:
    known = {"a": 500, "b": 500}
    assert distance.words(known, {"a": 52, "b": 48})[1] > 0.1
    score, chance = distance.words(known, {"a": 10, "c": 90})
    assert score == pytest.approx(0.9)
    assert chance < 1e-9
    wanted = stats.chi2_contingency([[500, 500, 0], [10, 0, 90]], correction=False)
    assert chance == pytest.approx(wanted.pvalue)


def test_missing_numbers_are_a_place_of_their_own() -> None:
    known = np.sort(np.array([1.0, 2.0, 3.0, np.nan]))
    assert distance.numbers(known, known)[0] == 0
    assert distance.numbers(known, np.full(4, np.nan))[0] == 0.75


TABLE = Metadata((Tensor("input", "FP32", (-1, 3)),), (Tensor("label", "INT64", (-1,)),), rows=True)


def test_a_sample_may_name_the_columns_of_a_models_one_table(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("age,height,weight,label\n1,2,3,0\n4,5,6,1\n")
    sample = read_sample(file, 10)
    assert [(c.name, c.tensor, c.at, c.output) for c in match(sample, TABLE, None)] == [
        ("label", "label", 0, True), ("age", "input", 0, False), ("height", "input", 1, False),
        ("weight", "input", 2, False),
    ]  # fmt: skip
    assert [c.name for c in match(sample, TABLE, ["age"])] == ["age"]
    inputs = assembled(sample, TABLE)
    assert inputs is not None
    assert (inputs["input"].tolist(), inputs["input"].dtype) == ([[1, 2, 3], [4, 5, 6]], np.float32)
    with pytest.raises(StartFailure, match="'size'"):
        match(sample, TABLE, ["size"])


def test_samples_are_read_from_every_form(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1, "w": "a"}\n{"x": null, "w": "b"}\n')
    (tmp_path / "b.json").write_text('{"x": [1, 2], "w": ["a", "b"]}')
    np.savez(tmp_path / "c.npz", x=np.arange(6).reshape(2, 3))
    lines = read_sample(tmp_path / "a.jsonl", 10)
    assert (lines["x"][0], np.isnan(lines["x"][1]), lines["w"].tolist()) == (1, True, ["a", "b"])
    assert read_sample(tmp_path / "b.json", 1)["x"].tolist() == [1]
    assert read_sample(tmp_path / "c.npz", 10)["x"].shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", ""),
        ("a.csv", "x,y\n1\n"),
        ("a.jsonl", "{"),
        ("a.jsonl", "3"),
        ("a.xls", "x"),
        ("a.npz", "x"),
        ("a.csv", "x\n"),
    ],
)
def test_a_sample_that_can_not_be_read_says_so(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(StartFailure, match=name):
        read_sample(tmp_path / name, 10)


# samples of requests


def exchange(tell: Any = lambda _: None, **inputs: Any) -> Exchange:
    seen = Exchange(tell, "http", "POST", "/eval", {b"x-request-id": b"r-1"}, 10)
    seen.inputs = {name: np.asarray(value) for name, value in inputs.items()}
    seen.outputs = {"y": np.array([1.5])}
    seen.status = 200
    return seen


def test_the_share_of_requests_is_kept_and_the_same_ones_by_their_id(tmp_path: Path) -> None:
    one, other = (Capture({"percent": 20}, CaptureFolder(tmp_path)) for _ in range(2))
    names = [{b"x-request-id": b"%d" % number} for number in range(5000)]
    kept = [one.wants(headers, None) for headers in names]
    assert 800 < sum(kept) < 1200
    assert kept == [other.wants(headers, None) for headers in names]
    assert 800 < sum(one.wants({}, None) for _ in range(5000)) < 1200


def test_files_are_begun_anew_and_the_oldest_go(tmp_path: Path) -> None:
    folder = CaptureFolder(tmp_path / "c", largest=1000, most=3000)
    capture = Capture({"percent": 100}, folder)
    for _ in range(100):
        capture.take([exchange(x=[1.0])], 0.0)
    capture.close()
    files = sorted((tmp_path / "c").glob("*.jsonl"))
    assert sum(file.stat().st_size for file in files) <= 3000
    assert 1 < len(files) <= 3
    assert all(
        json.loads(line)["request"]["inputs"][0]["data"] == [1.0] for f in files for line in f.read_text().splitlines()
    )
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)


def test_large_and_odd_tensors_are_written_short() -> None:
    large = tensor("x", np.zeros(600_000, dtype=np.float32))
    assert (large["shape"], large["truncated"], len(base64.b64decode(large["base64"]))) == ([600_000], True, 1 << 20)
    assert tensor("x", np.array([b"\xff\xd8"], dtype=object))["data"] == [{"b64": "/9g="}]
    assert tensor("x", np.array(["é"], dtype=object)) == {"name": "x", "datatype": "BYTES", "shape": [1], "data": ["é"]}
    assert tensor("x", np.array([1]), hidden=True)["data"] == "***"


class Slow:
    """Looks at tensors, and is stuck."""

    tensors = True

    def __init__(self) -> None:
        self.go_on, self.taken = threading.Event(), 0

    def wants(self, headers: Any, trace: Trace | None) -> bool:
        return True

    def take(self, exchanges: list[Exchange], clock: float) -> None:
        self.go_on.wait(10)
        self.taken += len(exchanges)

    def tick(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def state(self) -> dict[str, Any]:
        return {}


def test_what_can_not_be_looked_at_in_time_is_dropped_and_counted() -> None:
    slow, metrics = Slow(), Metrics("iris", 1)
    observer = Observer([slow], metrics)
    begun = time.perf_counter()
    for _ in range(30_000):
        seen = observer.begin("http", "POST", "/", {}, 10)
        assert seen is not None
        seen.finish(200, 10)
    assert time.perf_counter() - begun < 8, "whoever waits for what is slow waits for 10 s"
    slow.go_on.set()
    observer.close()
    _, dropped = metrics.counters["mlserve_watch_dropped_total"]
    assert dropped() > 0
    assert slow.taken + dropped() == 30_000


def test_watching_that_fails_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Slow):
        def take(self, exchanges: list[Exchange], clock: float) -> None:
            raise OSError("disk full")

    observer = Observer([Broken()], Metrics("iris", 1))
    for _ in range(3):
        seen = observer.begin("http", "POST", "/", {}, 10)
        assert seen is not None
        seen.finish(200, 10)
    observer.close()
    said = capsys.readouterr().err
    assert said.count("watching-failed") == 1
    assert "disk full" in said


# tables for explanations


def test_a_table_of_numbers_and_words_is_what_it_was_when_it_comes_back() -> None:
    metadata = Metadata(
        (Tensor("age", "INT32", (-1, 1)), Tensor("city", "BYTES", (-1, 1)), Tensor("v", "FP32", (-1, 2)))
    )
    table = Table(metadata)
    inputs = {
        "age": np.array([[3], [4]], dtype=np.int32),
        "city": np.array([["Rome"], ["Oslo"]], dtype=object),
        "v": np.array([[1, 2], [3, 4]], dtype=np.float32),
    }
    rows = table.rows(inputs)
    assert rows.tolist() == [[3, 0, 1, 2], [4, 1, 3, 4]]
    back = table.inputs(rows)
    assert all((back[name] == array).all() and back[name].dtype == array.dtype for name, array in inputs.items())
    assert {name: values.shape for name, values in table.by_input(np.zeros((2, 4, 3))).items()} == {
        "age": (2, 3), "city": (2, 3), "v": (2, 2, 3),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ((), "declare"),
        ((Tensor("x", "FP32", (-1, -1)),), "shape"),
        ((Tensor("x", "", None),), "anything"),
        ((Tensor("x", "FP32", (-1, 3, 224, 224)),), "columns"),
    ],
)
def test_what_is_no_table_says_why(inputs: tuple[Tensor, ...], words: str) -> None:
    assert words in Table(Metadata(inputs)).problem
