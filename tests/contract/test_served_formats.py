"""One suite over the formats whose libraries are too large for the tests: real instances, asked over HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tests import heavy
from tests.unit.runtime_kit import Running, failed, launch, serving, until

from mlserve.engines.catalogue import catalogue

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]  # the first run builds environments
MODELS = Path(__file__).parent / "models"
SCRIPT_NEEDS = {
    "lightgbm": ("scikit-learn", "pandas"),
    "catboost": ("scikit-learn",),
    "xgboost": ("scikit-learn", "pandas"),
}
"""What the scripts that make the models use besides the processor's own libraries."""
X = [{"name": "x", "type": "float", "shape": [-1, 4]}]


@dataclass(frozen=True)
class Case:
    processor: str
    file: str
    answer: str = "answer.json"
    config: dict[str, Any] = field(default_factory=dict)
    safe: bool = True
    """Reading it runs no code, so that require_safe lets it pass."""
    inputs: dict[str, str] = field(default_factory=dict)


CASES = {
    "savedmodel": Case("tensorflow", "model", inputs={"x": "float", "word": "string"}),
    "keras": Case("keras", "model.keras", inputs={"image": "float"}),
    "keras-h5": Case("keras", "model.h5", inputs={"image": "float"}),
    "keras-two-inputs": Case("keras", "two.keras", "two.json", inputs={"age": "float", "word": "integer"}),
    "keras-on-torch": Case("keras", "two.keras", "two.json", config={"backend": "torch"}),
    "keras-on-tensorflow": Case("keras", "model.h5", config={"backend": "tensorflow"}),
    "torchscript": Case("pytorch", "scripted.pt", config={"inputs": X}, inputs={"x": "float"}),
    "torchscript-traced": Case("pytorch", "traced.pth", config={"inputs": X, "labels": ["a", "b", "c"]}),
    "torch-export": Case("pytorch", "model.pt2", safe=False, inputs={"x": "float"}),
    "classifier": Case("huggingface", "classifier", inputs={"text": "string"}),
    "encoder": Case("huggingface", "encoder", "encoder.json", inputs={"text": "string"}),
    "encoder-pickled": Case("huggingface", "pickled", "encoder.json", safe=False),
    "lightgbm": Case("lightgbm", "model.txt", inputs={"input": "double"}),
    "lightgbm-pickle": Case("lightgbm", "model.pkl", "named.json", safe=False),
    "lightgbm-categories": Case(
        "lightgbm", "categories.txt", "categories.json", inputs={"colour": "string", "size": "double"}
    ),
    "catboost": Case("catboost", "model.cbm", inputs={"input": "double"}),
    "catboost-json": Case("catboost", "model.json"),
    "catboost-categories": Case("catboost", "categories.cbm", "categories.json", inputs={"0": "string", "1": "double"}),
    "xgboost-categories": Case(
        "xgboost", "categories.json", "categories_answer.json", inputs={"colour": "string", "size": "float"}
    ),
    "pmml": Case("pmml", "trees.pmml", "trees.json", inputs={"age": "double", "job": "string"}),
}


@dataclass(frozen=True)
class Served:
    case: Case
    instance: Running
    request: dict[str, list[Any]]
    expected: dict[str, list[Any]]

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self.instance.post("/", request)
        assert answer.status == 200, (answer.body, self.instance.log)
        found: dict[str, Any] = answer.json
        return found


def python(case: Case) -> Path:
    """An interpreter with what the processor says it needs, and nothing else."""
    return heavy.python_with(*catalogue()[case.processor].needs(gpu=False, config=case.config))


def folder(processor: str) -> Path:
    """The models of one script."""
    if processor == "pmml":
        return MODELS
    needs = (*catalogue()[processor].needs(gpu=False, config={}), *SCRIPT_NEEDS.get(processor, ()))
    return heavy.make_model(heavy.python_with(*needs), (MODELS / f"{processor}.py").read_text())


def spec(case: Case, **more: Any) -> dict[str, Any]:
    path = str(folder(case.processor) / case.file)
    told = {"python": python(case), "processor": case.processor, "model_path": path}
    return {"service": "s", "model_config": case.config, **told, **more}


@pytest.fixture(scope="module", params=CASES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    case = CASES[request.param]
    given = json.loads((folder(case.processor) / case.answer).read_text())
    with serving(tmp_path_factory.mktemp("instance"), **spec(case, require_safe=case.safe, cpu=2)) as instance:
        yield Served(case, instance, given["request"], given["expected"])


def same(found: Any, expected: Any) -> bool:
    if np.asarray(expected).dtype.kind in "US":
        return bool(found == expected)
    return np.shape(found) == np.shape(expected) and np.allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_it_answers_as_the_library_does(served: Served) -> None:
    found = served.predict(served.request)
    assert found.keys() == served.expected.keys()
    for name, values in served.expected.items():
        assert same(found[name], values), (name, found[name], values)


def test_one_row_is_answered_as_in_a_batch(served: Served) -> None:
    for row in range(len(next(iter(served.request.values())))):
        found = served.predict({name: values[row : row + 1] for name, values in served.request.items()})
        for name, values in served.expected.items():
            assert same(found[name], values[row : row + 1]), (name, row)


def test_many_at_once_get_the_answers_of_one(served: Served) -> None:
    first = {name: values[:1] for name, values in served.request.items()}
    alone = served.predict(first)
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda _: served.predict(first), range(48)):
            assert all(same(answer[name], values) for name, values in alone.items())


def test_it_says_what_it_takes_and_gives(served: Served) -> None:
    told = served.instance.get("/describe").json
    types = {tensor["name"]: tensor["type"] for tensor in told["inputs"]}
    assert types.keys() == served.request.keys()
    assert types | served.case.inputs == types
    assert {tensor["name"] for tensor in told["outputs"]} == served.expected.keys()
    assert all(tensor["shape"][0] == -1 for tensor in (*told["inputs"], *told["outputs"]))


def test_it_says_which_versions_and_device_really_serve(served: Served) -> None:
    facts = served.instance.facts
    assert facts["device"] == "cpu"
    assert len(facts["versions"]) > 1, facts
    assert facts["threads"]


def test_inputs_of_the_wrong_kind_are_refused_by_name(served: Served) -> None:
    name, values = next(iter(served.request.items()))
    for wrong in ({}, {name: {"a": 1}}, {name: [[[[[[values[0]]]]]]]}):
        answer = served.instance.post("/", wrong)
        optional = wrong == {} and served.case.processor == "pmml"
        assert answer.status == 400 or optional, (wrong, answer.body)


def test_no_rows_are_answered_with_no_rows(served: Served) -> None:
    shapes = {tensor["name"]: tensor for tensor in served.instance.get("/v2/models/s").json["inputs"]}
    inputs = [
        {**shapes[name], "shape": [0, *np.shape(values)[1:]], "data": []} for name, values in served.request.items()
    ]
    answer = served.instance.post("/v2/models/s/infer", {"inputs": inputs})
    assert answer.status == 200, answer.body
    assert all(output["shape"][0] == 0 for output in answer.json["outputs"])


def test_only_what_runs_no_code_passes_require_safe(tmp_path: Path) -> None:
    for name, case in CASES.items():
        if not case.safe:
            failure = failed(tmp_path / name, **spec(case, require_safe=True)).failure
            assert failure["cause"] == "unreadable-model"
            assert "require_safe" in failure["reason"]
            assert "can run code" in failure["reason"]


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(("encoder", "keras-on"))])
def test_a_cut_file_is_named_corrupt(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    source = folder(case.processor) / case.file
    copy = tmp_path / "model" / source.name
    copy.parent.mkdir()
    shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    victims = [path for path in copy.rglob("*") if path.name in ("saved_model.pb", "model.safetensors")] or [copy]
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    failure = failed(tmp_path, **spec(case, model_path=str(copy))).failure
    assert failure["cause"] == "corrupt-model", failure
    assert source.name in failure["reason"]
    assert failure["hint"]


@pytest.mark.parametrize(
    ("processor", "file", "more", "cause", "words"),
    [
        ("pytorch", "weights.pt", {}, "unreadable-model", "no program"),
        ("pytorch", "pickled.pt", {}, "unreadable-model", "torch.export.save"),
        ("pytorch", "legacy.pth", {}, "unreadable-model", "no program"),
        ("pytorch", "scripted.pt", {}, "bad-entry", '"name": "x", "type": "float"'),
        ("pytorch", "scripted.pt", {"model_config": {"inputs": [{**X[0], "shape": [-1, 7]}]}}, "bad-entry", "[-1, 7]"),
        ("pytorch", "writer.pt", {"require_safe": True}, "unreadable-model", "reach files (save)"),
        ("pytorch", "model.pt2", {"gpu": 1}, "gpu-unavailable", "sees no GPU"),
        ("tensorflow", "model", {"gpu": 1}, "gpu-unavailable", "sees no GPU"),
        ("tensorflow", "model", {"model_config": {"signature_name": "no"}}, "bad-entry", "serving_default"),
        ("tensorflow", "writer", {"require_safe": True}, "unreadable-model", "WriteFile"),
        ("lightgbm", "model.txt", {"gpu": 1}, "gpu-unavailable", "computes on the CPU"),
        ("keras", "lambda.keras", {}, "unreadable-model", "Lambda layer"),
        ("keras", "lambda.keras", {"require_safe": True, "model_config": {"safe_mode": False}}, "unreadable-model",
         "require_safe"),
        ("keras", "model.keras", {"model_config": {"backend": "mxnet"}}, "bad-entry", "mxnet"),
        ("huggingface", "classifier", {"model_config": {"task": "dance"}}, "bad-entry", "text-classification"),
        ("huggingface", "answer.json", {}, "missing-model", "config.json"),
    ],
)  # fmt: skip
def test_what_it_can_not_serve_is_said(
    processor: str, file: str, more: dict[str, Any], cause: str, words: str, tmp_path: Path
) -> None:
    failure = failed(tmp_path, **spec(Case(processor, file), **more)).failure
    assert failure["cause"] == cause, failure
    assert words in failure["reason"] + failure["hint"]


def test_safetensors_that_are_not_the_models_do_not_let_its_pickle_in(tmp_path: Path) -> None:
    copy = tmp_path / "pickled"
    shutil.copytree(folder("huggingface") / "pickled", copy)
    (copy / "other.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    case = Case("huggingface", "pickled")
    failure = failed(tmp_path, **spec(case, model_path=str(copy), require_safe=True)).failure
    assert "safetensors" in failure["reason"], failure


def test_a_signature_is_chosen_by_name(tmp_path: Path) -> None:
    case = Case("tensorflow", "model", config={"signature_name": "raw"})
    with serving(tmp_path, **spec(case)) as instance:
        request = json.loads((folder("tensorflow") / "answer.json").read_text())["request"]
        expected = json.loads((folder("tensorflow") / "raw.json").read_text())
        assert same(instance.post("/", {"x": request["x"]}).json["logits"], expected)
        assert instance.facts["signature"] == "raw"


def test_classes_have_their_words(tmp_path: Path) -> None:
    with serving(tmp_path, **spec(CASES["classifier"])) as instance:
        asked = {
            "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["good"]}],
            "outputs": [{"name": "scores", "parameters": {"classification": 1}}],
        }
        output = instance.post("/v2/models/s/infer", asked).json["outputs"][0]
        assert output["data"][0].split(":")[2] in ("sad", "glad")


def test_a_missing_value_of_pmml_is_filled_as_eas_does(tmp_path: Path) -> None:
    with serving(tmp_path, **spec(CASES["pmml"])) as instance:
        asked = {"age": [[float("nan")], [50.0]], "job": [["judge"], ["judge"]]}
        body = json.dumps(asked).replace("NaN", "null").encode()
        rich = next(name for name in instance.post("/", body).json if "rich" in name and "prob" not in name.lower())
        assert instance.post("/", body).json[rich] == ["no", "yes"], "no age is age 0"
        assert instance.post("/", {"age": [[50.0]]}).json[rich] == [""], "no job is the empty text"
        assert "EAS" in instance.facts["missing_values"]


def test_the_java_machine_ends_with_its_instance(tmp_path: Path) -> None:
    instance = launch(tmp_path, **spec(CASES["pmml"]))
    try:
        until(lambda: any(line.get("phase") == "ready" for line in instance.report), instance, seconds=60)
        machines = [child for child in psutil.Process(instance.process.pid).children(True) if "java" in child.name()]
        assert machines
    finally:
        instance.process.kill()
        instance.process.wait()
    assert psutil.wait_procs(machines, timeout=15)[1] == []


def test_a_model_is_only_made_where_its_libraries_are() -> None:
    done = subprocess.run([sys.executable, "-c", "import lightgbm"], capture_output=True, check=False)
    assert done.returncode, "the tests' own environment stays small"
