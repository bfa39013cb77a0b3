"""What a running instance shows of its requests: metrics, log lines, samples and drift."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from observe_kit import PARENT, PROCESSOR, captured, metrics_of, python
from runtime_kit import IRIS, ROW, Running, failed, serving
from tests.waiting import until

PLAIN = """
class Plain:
    def __init__(self):
        self.made = self.metrics.counter("made")

    def predict(self, inputs):
        self.made.inc()
        return {"y": 1}
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("echo")
    with serving(folder / "home", **python(folder, PROCESSOR)) as instance:
        yield instance


def test_a_processor_counts_what_it_likes_and_it_is_shown_with_the_instances_own(echo: Running) -> None:
    for _ in range(3):
        assert echo.post("/eval", {"x": [1, 2]}).status == 200
    shown = metrics_of(echo)
    assert shown['loaded{service="iris",version="3"}'] == 1
    assert shown['hits{service="iris",version="3",kind="text"}'] >= 3
    assert shown['length_count{service="iris",version="3"}'] >= 3
    assert shown['nv_inference_request_success{model="iris",version="3"}'] >= 3
    assert shown['nv_inference_compute_infer_duration_us{model="iris",version="3"}'] > 0


def test_a_plain_class_has_metrics_too_already_in_its_init(tmp_path: Path) -> None:
    with serving(tmp_path / "home", **python(tmp_path, PLAIN)) as instance:
        instance.post("/eval", {"x": 1})
        assert metrics_of(instance)['made{service="iris",version="3"}'] == 1


def test_other_programs_on_the_machine_tell_metrics_as_in_eas(echo: Running) -> None:
    path = "/api/builtin/realtime_metrics"
    told = echo.post(path, [{"name": "queue-length", "value": 4.5, "tags": {"kind": 'a"b'}}, {"name": "x", "value": 1}])
    assert (told.status, told.json) == (200, {"accepted": 2})
    assert metrics_of(echo)[r'queue_length{service="iris",version="3",kind="a\"b"}'] == 4.5
    wrong = echo.post(path, [{"name": "y", "value": 2}, {"name": "z", "value": "many"}])
    assert wrong.status == 400
    assert '"z" wants a number' in wrong.json["error"]
    assert 'y{service="iris",version="3"}' not in metrics_of(echo)
    assert echo.post(path, [{"name": "mlserve_requests_total", "value": 1}]).status == 400
    assert echo.get("/api/builtin/ping").status == 200


def test_callers_through_the_gateway_can_not_tell_metrics(echo: Running) -> None:
    told = echo.post("/api/builtin/realtime_metrics", [{"name": "x", "value": 1}], x_forwarded_proto="http")
    assert told.status == 404


def test_a_processor_knows_the_trace_it_works_for(echo: Running) -> None:
    assert echo.post("/eval", {"x": [1]}, traceparent=PARENT).json == {"trace": PARENT}
    assert echo.post("/eval", {"x": [1]}).json == {"trace": "none"}
    assert echo.post("/eval", {"x": [1]}, traceparent="00-nonsense-01").json == {"trace": "none"}


def test_a_line_is_logged_for_each_request_and_says_nothing_of_what_was_sent(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS), access_log=True) as instance:
        instance.post("/eval?key=secret", ROW, x_request_id="r-1", traceparent=PARENT, authorization="hidden")
        instance.post("/eval", {"sepal_length": "secret"})
        lines = until(lambda: found if len(found := logged(instance)) == 2 else None, "two lines")
        good, bad = lines
        assert {k: good[k] for k in ("method", "path", "status", "rows", "batch", "id", "protocol")} == {
            "method": "POST", "path": "/eval", "status": 200, "rows": 1, "batch": 1, "id": "r-1", "protocol": "http",
        }  # fmt: skip
        assert good["trace"] == PARENT.split("-")[1]
        assert good["ms"] >= good["queue_ms"] >= 0
        assert good["received"] == len(json.dumps(ROW))
        assert (bad["status"], bad["rows"], bad["queue_ms"]) == (400, None, None)
        assert "secret" not in json.dumps(lines)
        assert "hidden" not in instance.log


def logged(instance: Running) -> list[dict[str, Any]]:
    return [json.loads(line) for line in instance.log.splitlines() if line.startswith('{"event":"request"')]


def test_captured_requests_hide_every_field_that_is_not_named(tmp_path: Path) -> None:
    wished = {"percent": 100, "fields": ["sepal_length", "species"], "to": str(tmp_path / "captures")}
    with serving(tmp_path / "home", model_path=str(IRIS), capture=wished) as instance:
        instance.post("/eval", ROW, x_request_id="r-1")
        instance.post("/eval", {"sepal_length": "no"})
        first, second = until(lambda: found if len(found := captured(tmp_path)) == 2 else None, "two records")
    assert (first["id"], first["path"], first["status"]) == ("r-1", "/eval", 200)
    sent = {tensor["name"]: tensor["data"] for tensor in first["request"]["inputs"]}
    assert sent["sepal_length"] == [pytest.approx(5.1)]
    assert {value for name, value in sent.items() if name != "sepal_length"} == {"***"}
    answered = {tensor["name"]: tensor["data"] for tensor in first["response"]["outputs"]}
    assert answered["species"] == ["setosa"]
    assert {value for name, value in answered.items() if name != "species"} <= {"***"}
    assert (second["status"], second["request"], second["response"]) == (400, None, None)
    assert (tmp_path / "captures").stat().st_mode & 0o777 == 0o700


def test_a_capture_is_warm_up_data(tmp_path: Path) -> None:
    wished = {"percent": 100, "to": str(tmp_path / "captures")}
    with serving(tmp_path / "one", model_path=str(IRIS), capture=wished) as instance:
        instance.post("/eval", ROW)
        instance.post("/v2/models/iris/infer", {"inputs": v2(ROW)})
        until(lambda: len(captured(tmp_path)) == 2, "two records")
        instance.stop()
    with serving(tmp_path / "two", model_path=str(IRIS), warm_up_path=str(tmp_path / "captures")) as instance:
        assert instance.post("/eval", ROW).status == 200


def v2(row: dict[str, float]) -> list[dict[str, Any]]:
    return [{"name": name, "datatype": "FP32", "shape": [1, 1], "data": [value]} for name, value in row.items()]


def test_drift_is_seen_when_inputs_move_and_not_before(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    reference = tmp_path / "reference.csv"
    rows = flowers(random, 500)
    names = list(ROW)
    reference.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]))
    wished = {"drift": {"reference": str(reference), "window": 100, "threshold": 0.01}}
    with serving(tmp_path / "home", model_path=str(IRIS), monitor=wished) as instance:

        def send(shift: float) -> None:
            table = flowers(random, 60)
            table[:, 1] += shift
            body = {name: table[:, at : at + 1].tolist() for at, name in enumerate(names)}
            assert instance.post("/eval", body).status == 200

        def told(shift: float, rows: int) -> dict[str, Any]:
            def enough() -> Any:
                send(shift)
                found = instance.get("/drift").json
                return found if found["rows"] >= rows else None

            return until(enough, f"{rows} rows")

        same = told(0.0, 1200)
        assert same["detected"] is False
        assert set(same["columns"]) == set(names)
        seen = same["rows"]
        until(lambda: told(1.5, seen)["columns"]["sepal_width"]["detected"], "drift")
        moved = instance.get("/drift").json
        assert [name for name, found in moved["columns"].items() if found["detected"]] == ["sepal_width"]
        shown = metrics_of(instance)
        assert shown['mlserve_drift_detected{service="iris",version="3",input="sepal_width"}'] == 1
        assert shown['mlserve_drift_score{service="iris",version="3",input="sepal_width"}'] > 0.5
        assert shown['mlserve_drift_detected{service="iris",version="3",input="petal_width"}'] == 0


def flowers(random: Any, count: int) -> Any:
    return random.normal([5.8, 3.0, 3.7, 1.2], [0.8, 0.4, 1.7, 0.7], (count, 4)).round(3)


def test_a_reference_that_has_nothing_of_the_model_fails_the_start(tmp_path: Path) -> None:
    (tmp_path / "reference.csv").write_text("age,height\n1,2\n")
    wished = {"drift": {"reference": str(tmp_path / "reference.csv")}}
    failure = failed(tmp_path / "home", model_path=str(IRIS), monitor=wished).failure
    assert failure["cause"] == "bad-sample"
    assert "sepal_length" in failure["reason"]
    assert "age" in failure["reason"]


def test_an_instance_that_was_not_asked_watches_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS)) as instance:
        assert instance.get("/drift").status == 404
        refused = instance.post("/explain", ROW)
        assert (refused.status, '"explain": true' in refused.json["error"]) == (404, True)
        assert not logged(instance)


STREAM = """
class Words:
    def predict(self, inputs):
        for word in ("one", "two", "three"):
            yield {"text_output": word}
"""


def test_an_answer_in_parts_is_one_line_with_all_its_bytes(tmp_path: Path) -> None:
    with serving(tmp_path / "home", **python(tmp_path, STREAM), access_log=True) as instance:
        told = instance.post("/v2/models/iris/generate_stream", {"text_input": "x"})
        assert told.status == 200, told.body
        (line,) = until(lambda: logged(instance), "a line")
        assert (line["status"], line["sent"]) == (200, len(told.body))
        shown = metrics_of(instance)
        assert shown['mlserve_first_part_seconds_count{service="iris",version="3"}'] == 1
        assert shown['nv_inference_first_response_histogram_ms_count{model="iris",version="3"}'] == 1


def test_other_protocols_are_watched_alike(tmp_path: Path) -> None:
    import tritonclient.grpc as client

    wished = {"percent": 100, "to": str(tmp_path / "captures")}
    with serving(tmp_path / "home", model_path=str(IRIS), capture=wished, access_log=True) as instance:
        with client.InferenceServerClient(f"127.0.0.1:{instance.port}") as triton:
            inputs = []
            for name, value in ROW.items():
                one = client.InferInput(name, [1, 1], "FP32")
                one.set_data_from_numpy(np.array([[value]], dtype=np.float32))
                inputs.append(one)
            triton.infer("iris", inputs, request_id="g-1", headers={"traceparent": PARENT})
        (line,) = until(lambda: logged(instance), "a line")
        (record,) = until(lambda: captured(tmp_path), "a record")
    assert (line["protocol"], line["status"], line["id"], line["batch"]) == ("grpc", 200, "g-1", 1)
    assert line["path"] == record["path"] == "/inference.GRPCInferenceService/ModelInfer"
    assert line["trace"] == PARENT.split("-")[1]
    assert [tensor["name"] for tensor in record["request"]["inputs"]] == list(ROW)
    assert record["response"]["outputs"]
