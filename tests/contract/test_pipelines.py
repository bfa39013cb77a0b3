"""Pipelines: how steps are connected, what they cost, and what is said where they do not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tritonclient.grpc as triton
from onnx import TensorProto, helper
from tests.unit.runtime_kit import failed, processor, serving

from mlserve.errors import InvalidInput
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.loading import load
from mlserve.runtime.pipeline.running import Pipeline
from mlserve.runtime.spec import Spec

CODE = """
import numpy as np


class Scale:
    def load(self, path, config): self.by = config.get("by", 1)
    def metadata(self):
        tensor = {"name": "pixels", "type": "float", "shape": [-1, 4]}
        return {"inputs": [tensor], "outputs": [{**tensor, "name": "scaled"}]}
    def predict(self, inputs): return {"scaled": inputs["pixels"] * np.float32(self.by)}


class Undeclared:
    def predict(self, inputs): return {name: array + 1 for name, array in inputs.items()}


class Stream:
    def predict(self, inputs):
        for value in inputs["score"].ravel():
            yield {"part": np.array([value])}


def label(score): return {"label": ["low" if value < 10 else "high" for value in score.ravel()]}
def double(score): return {"score": np.asarray(score) * 2.0}
def fails(score): raise KeyError("weights")
def refuses(score):
    from mlserve.runtime import InvalidInput
    raise InvalidInput("a score below 0 can't be")
def same(pixels): return {"seen": pixels}
"""


def model(
    folder: Path, name: str = "sum.onnx", *, kind: int = TensorProto.FLOAT, width: int = 4, out: str = "score"
) -> str:
    """The sum of each row."""
    node = helper.make_node("ReduceSum", ["features", "axes"], [out], keepdims=1)
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    takes = helper.make_tensor_value_info("features", kind, ["n", width])
    gives = helper.make_tensor_value_info(out, kind, ["n", 1])
    graph = helper.make_graph([node], "sum", [takes], [gives], [axes])
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return str(path)


def python(home: Path, entry: str, name: str = "", **more: Any) -> dict[str, Any]:
    folder = processor(home, CODE, "steps.py")
    told = {"name": name or entry.lower(), "processor": "python", "processor_path": folder}
    return {**told, "processor_entry": f"steps.py:{entry}", **more}


def onnx_step(home: Path, name: str = "model", **more: Any) -> dict[str, Any]:
    given = {key: more.pop(key) for key in ("kind", "width", "out") if key in more}
    return {"name": name, "processor": "onnx", "model_path": model(home, f"{name}.onnx", **given), **more}


def pipeline(*steps: Mapping[str, Any]) -> Pipeline:
    loaded = load(Spec("p", "pipeline", pipeline=steps))
    assert isinstance(loaded, Pipeline)
    return loaded


ROWS = np.array([[1, 2, 3, 4], [0, 0, 0, 1]], dtype=np.float32)


def test_steps_feed_each_other_by_position_and_by_name(tmp_path: Path) -> None:
    made = pipeline(python(tmp_path, "Scale", model_config={"by": 2}), onnx_step(tmp_path), python(tmp_path, "label"))
    metadata = made.metadata()
    assert [(t.name, t.datatype, t.shape) for t in metadata.inputs] == [("pixels", "FP32", (-1, 4))]
    assert made.predict({"pixels": ROWS})["label"].tolist() == ["high", "low"]


def test_arrays_are_handed_on_without_a_copy(tmp_path: Path) -> None:
    step = python(tmp_path, "same", outputs={"mine": "seen"})
    assert pipeline(step).predict({"pixels": ROWS})["mine"] is ROWS


def test_two_branches_are_combined_by_an_ensemble(tmp_path: Path) -> None:
    branches = [
        python(tmp_path, "Scale"),
        onnx_step(tmp_path, "plain", inputs={"features": "scale.scaled"}),
        onnx_step(tmp_path, "raw", inputs={"features": "request.pixels"}),
        python(tmp_path, "double", inputs={"score": "raw.score"}),
    ]
    both = {"a": "plain.score", "b": "double.score"}
    mean = {"name": "both", "processor": "ensemble", "inputs": both}
    assert pipeline(*branches, mean).predict({"pixels": ROWS})["output"].tolist() == [[15.0], [1.5]]
    weighted = mean | {"model_config": {"weights": {"a": 3, "b": 1}, "output": "score"}}
    assert pipeline(*branches, weighted).predict({"pixels": ROWS})["score"].tolist() == [[12.5], [1.25]]


def test_a_vote_is_what_most_say(tmp_path: Path) -> None:
    steps = [python(tmp_path, "label", name, inputs={"score": f"request.{name}"}) for name in "abc"]
    vote = {"name": "vote", "processor": "ensemble", "model_config": {"method": "vote", "output": "label"}}
    made = pipeline(*steps, vote | {"inputs": {name: f"{name}.label" for name in "abc"}})
    inputs = {"a": np.array([1, 1]), "b": np.array([50, 1]), "c": np.array([50, 50])}
    assert made.predict(inputs)["label"].tolist() == ["high", "low"]


def test_outputs_are_chosen_and_renamed(tmp_path: Path) -> None:
    made = pipeline(
        python(tmp_path, "Scale", outputs={"what_the_model_saw": "scaled"}),
        onnx_step(tmp_path, outputs={"sum": "score"}),
    )
    outputs = made.metadata().outputs
    assert [(t.name, t.datatype, t.shape) for t in outputs] == [
        ("what_the_model_saw", "FP32", (-1, 4)),
        ("sum", "FP32", (-1, 1)),
    ]
    assert made.predict({"pixels": ROWS}).keys() == {"what_the_model_saw", "sum"}


def test_requests_share_a_call_only_where_every_step_is_row_wise(tmp_path: Path) -> None:
    assert pipeline(python(tmp_path, "Scale"), onnx_step(tmp_path)).metadata().rows
    assert not pipeline(python(tmp_path, "Scale"), onnx_step(tmp_path), python(tmp_path, "label")).metadata().rows


def test_numbers_become_what_the_next_step_takes(tmp_path: Path) -> None:
    made = pipeline(onnx_step(tmp_path, "wide", kind=TensorProto.DOUBLE, width=1), onnx_step(tmp_path, width=1))
    assert made.predict({"features": np.array([[2.0]])})["score"].dtype == np.float32


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"width": 4, "out": "score"}, {"width": 3}, r"wants shape \[-1, 3\], and that has \[-1, 1\]"),
        ({"width": 1}, {"width": 1, "kind": TensorProto.INT64}, "it wants INT64, and that is FP32"),
        ({"width": 1}, {"width": 1, "inputs": {"wrong": "model.score"}}, 'no input "wrong" .inputs: features'),
        ({"width": 1}, {"width": 1, "inputs": {"features": "model.wrong"}}, 'no output "wrong" .outputs: score'),
        ({"width": 1}, {"width": 1, "inputs": {"features": "nobody.score"}}, 'no step "nobody"'),
        ({"width": 1}, {"width": 1, "inputs": {"features": "request.features"}}, "nothing uses what step"),
        ({"width": 1}, {"width": 1, "outputs": {"x": "wrong"}}, 'no output "wrong"'),
    ],
)
def test_steps_that_do_not_fit_are_told_at_load(tmp_path: Path, first: Any, second: Any, said: str) -> None:
    with pytest.raises(StartFailure, match=said):
        pipeline(onnx_step(tmp_path, "model", **first), onnx_step(tmp_path, "next", **second))


def test_a_step_without_metadata_takes_what_came_before(tmp_path: Path) -> None:
    made = pipeline(python(tmp_path, "Undeclared"), python(tmp_path, "Undeclared", "again"))
    assert made.metadata().open
    assert made.predict({"a": np.array(1), "b": np.array(2)}) == {"a": 3, "b": 4}


def test_what_an_undeclared_step_gives_is_checked_when_it_comes(tmp_path: Path) -> None:
    made = pipeline(python(tmp_path, "Undeclared"), onnx_step(tmp_path))
    assert made.predict({"x": np.array([[1.0, 1, 1, 1]])})["score"].tolist() == [[8.0]]
    with pytest.raises(Exception, match=r'step "model", input "features" wants FP32, shape \[-1, 4\].*shape \[1, 2\]'):
        made.predict({"x": np.array([[1.0, 1]])})


def test_a_failing_step_is_named(tmp_path: Path) -> None:
    made = pipeline(onnx_step(tmp_path), python(tmp_path, "fails"))
    with pytest.raises(Exception, match="step \"fails\": KeyError: 'weights'"):
        made.predict({"features": ROWS})
    refusing = pipeline(onnx_step(tmp_path), python(tmp_path, "refuses"))
    with pytest.raises(InvalidInput, match='step "refuses": a score below 0'):
        refusing.predict({"features": ROWS})


def test_a_step_that_can_not_be_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    step = {"name": "broken", "processor": "onnx", "model_path": str(tmp_path / "broken.onnx")}
    with pytest.raises(StartFailure, match=r'step "broken": broken\.onnx') as failure:
        pipeline(step)
    assert failure.value.cause == "corrupt-model"
    instance = failed(tmp_path, service="p", processor="pipeline", pipeline=[python(tmp_path, "Missing")])
    assert instance.failure["cause"] == "bad-entry"
    assert 'step "missing"' in instance.failure["reason"]


def test_what_a_step_raises_while_it_is_loaded_is_explained_under_its_name(tmp_path: Path) -> None:
    code = "class Broken:\n    def load(self, path, config): import not_there\n    def predict(self, inputs): pass\n"
    step = {"name": "first", "processor": "python", "processor_path": processor(tmp_path, code)}
    instance = failed(tmp_path, service="p", processor="pipeline", pipeline=[step])
    failure = instance.failure
    assert failure["cause"] == "missing-library"
    assert failure["reason"].startswith('step "first": the library "not_there" is not installed')
    assert failure["hint"].startswith("add the line not_there to own/requirements.txt")
    assert failure["frames"][-1]["code"] == "def load(self, path, config): import not_there"


def test_a_last_step_that_streams_makes_a_pipeline_that_streams(tmp_path: Path) -> None:
    from mlserve.runtime.processors.base import Context

    made = pipeline(onnx_step(tmp_path), python(tmp_path, "Stream"))
    assert made.metadata().streams
    assert [part["part"].tolist() for part in made.stream({"features": ROWS}, Context())] == [[10.0], [1.0]]
    assert made.predict({"features": ROWS})["part"].tolist() == [10.0, 1.0]


def test_a_pipeline_is_served_with_the_time_of_each_step(tmp_path: Path) -> None:
    steps = [python(tmp_path, "Scale"), onnx_step(tmp_path), python(tmp_path, "label")]
    with serving(tmp_path, service="p", processor="pipeline", pipeline=steps) as instance:
        described = instance.get("/describe").json
        assert described["inputs"] == [{"name": "pixels", "type": "float", "shape": [-1, 4]}]
        answer = instance.post("/", {"pixels": ROWS.tolist()}, x_mlserve_timing="1")
        assert answer.json == {"label": ["high", "low"]}
        assert re.fullmatch(r"scale;dur=[\d.]+, model;dur=[\d.]+, label;dur=[\d.]+", answer.headers["server-timing"])
        assert "server-timing" not in instance.post("/", {"pixels": ROWS.tolist()}).headers
        tensor = {"name": "pixels", "datatype": "FP32", "shape": [2, 4], "data": ROWS.ravel().tolist()}
        asked = {"inputs": [tensor], "parameters": {"timing": True}}
        taken = instance.post("/v2/models/p/infer", asked).json["parameters"]
        assert taken.keys() == {"timing.scale", "timing.model", "timing.label"}
        metrics = instance.get("/metrics").body.decode()
        assert re.search(r'mlserve_step_seconds_count\{.*step="model".*\} 3', metrics)
        assert instance.facts["steps"][1] == {"name": "model", "processor": "onnx"}
        failing = instance.post("/", {"pixels": [[1, 2]]})
        assert failing.status == 400
        assert "pixels" in json.dumps(failing.json)


def test_a_pipeline_and_a_processor_of_bytes_answer_over_grpc(tmp_path: Path) -> None:
    steps = [python(tmp_path, "Scale"), onnx_step(tmp_path)]
    with serving(tmp_path, service="p", processor="pipeline", pipeline=steps) as instance:
        with triton.InferenceServerClient(f"127.0.0.1:{instance.port}") as client:
            asked = triton.InferInput("pixels", [2, 4], "FP32")
            asked.set_data_from_numpy(ROWS)
            answer = client.infer("p", [asked], parameters={"timing": True})
        assert answer.as_numpy("score").tolist() == [[10.0], [1.0]]
        assert answer.get_response().parameters.keys() == {"timing.scale", "timing.model"}
    code = "class P:\n    def initialize(self): pass\n    def process(self, data): return data[::-1], 200\n"
    told = {"processor": "python", "processor_path": processor(tmp_path / "eas", code)}
    with (
        serving(tmp_path / "eas", service="p", **told) as instance,
        triton.InferenceServerClient(f"127.0.0.1:{instance.port}") as client,
    ):
        asked = triton.InferInput("request", [1], "BYTES")
        asked.set_data_from_numpy(np.array([b"abc"], dtype=object))
        assert client.infer("p", [asked]).as_numpy("reply").tolist() == [b"cba"]


def test_a_step_that_fails_is_named_in_the_answer(tmp_path: Path) -> None:
    steps = [onnx_step(tmp_path), python(tmp_path, "fails")]
    with serving(tmp_path, service="p", processor="pipeline", pipeline=steps) as instance:
        answer = instance.post("/", {"features": ROWS.tolist()})
        assert answer.status == 500
        assert 'step "fails": KeyError' in answer.json["error"]
        assert "in fails" in instance.log
