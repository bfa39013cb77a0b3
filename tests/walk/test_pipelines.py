"""Pipelines and processors of other servers through the whole line: validate, create, ask, fail."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlserve.client import Client
from mlserve.errors import InvalidDescriptor, MlserveError

pytestmark = pytest.mark.timeout(300)
EXAMPLES = Path(__file__).parents[2] / "examples"


def copied(example: str, home: Path) -> tuple[Path, dict[str, Any]]:
    """An example's folder to change, and its descriptor."""
    folder = home / example
    shutil.copytree(EXAMPLES / example, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder, json.loads((folder / "service.json").read_text())


def written(folder: Path, descriptor: dict[str, Any]) -> Path:
    (folder / "service.json").write_text(json.dumps(descriptor))
    return folder / "service.json"


def test_a_picture_goes_through_a_pipeline_and_its_steps_are_timed(client: Client) -> None:
    service = client.services.create(EXAMPLES / "image-pipeline" / "service.json").wait(timeout=120)
    with service.predictor() as predictor:
        assert predictor.predict(EXAMPLES / "image-pipeline" / "digit.png")["digit"] == [2]
        described = predictor.describe()
        metrics = predictor.request("GET", "/metrics").body.decode()
    assert described["inputs"] == [{"name": "image", "type": "uint8", "shape": [-1, -1, -1, 1]}]
    assert {'step="prepare"', 'step="network"', 'step="label"'} <= set(re.findall(r'step="\w+"', metrics))
    service.delete()


def test_validate_names_the_step_whose_model_does_not_fit(client: Client, tmp_path: Path) -> None:
    folder, descriptor = copied("text-pipeline", tmp_path)
    shutil.copy(EXAMPLES / "iris" / "iris.onnx", folder)
    descriptor["pipeline"][2] = {"name": "next", "processor": "onnx", "model_path": "iris.onnx"}
    descriptor["pipeline"][2]["inputs"] = {"sepal_length": "classify.scores"}
    report = client.validate(written(folder, descriptor))
    assert not report["valid"]
    assert [(error["pointer"], error["code"]) for error in report["errors"]] == [
        ("/pipeline/2/inputs/sepal_length", "invalid")
    ]
    assert "wants shape [-1, 1], and that has [-1, 9]" in report["errors"][0]["message"]


def test_validate_names_a_step_whose_file_is_damaged(client: Client, tmp_path: Path) -> None:
    folder, descriptor = copied("image-pipeline", tmp_path)
    (folder / "digits.onnx").write_bytes((folder / "digits.onnx").read_bytes()[:5000])
    report = client.validate(written(folder, descriptor))
    assert [error["pointer"] for error in report["errors"]] == ["/pipeline/1/model_path"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"inputs": {"ids": "nobody.ids"}}, "/pipeline/1/inputs/ids"),
        ({"inputs": {"ids": "label.topic"}}, "/pipeline/1/inputs/ids"),
        ({"name": "tokenize"}, "/pipeline/1/name"),
        ({"name": "request"}, "/pipeline/1/name"),
        ({"model_path": None}, "/pipeline/1/model_path"),
        ({"processor": "nonsense"}, "/pipeline/1/processor"),
        ({"colour": "red"}, "/pipeline/1/colour"),
    ],
)
def test_a_step_that_can_not_be_is_refused_where_it_is_written(
    client: Client, tmp_path: Path, change: dict[str, Any], pointer: str
) -> None:
    folder, descriptor = copied("text-pipeline", tmp_path)
    descriptor["pipeline"][1] |= change
    with pytest.raises(InvalidDescriptor) as refused:
        client.services.create(written(folder, descriptor))
    assert [detail["pointer"] for detail in refused.value.details] == [pointer]


def test_a_processor_of_eas_is_created_as_it_is(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "app.py").write_text(
        "import allspark\n"
        "class MyProcessor(allspark.BaseProcessor):\n"
        "    def initialize(self): self.weights = open(self.get_model_path()).read()\n"
        "    def process(self, data): return data[::-1] + self.weights.encode(), 200\n"
        "if __name__ == '__main__':\n"
        "    MyProcessor(worker_threads=5, endpoint='0.0.0.0:8080').run()\n"
    )
    (folder / "weights.txt").write_text("!")
    descriptor = {
        "name": "eas_app", "processor_type": "python", "processor_path": ".", "processor_entry": "./app.py",
        "model_path": "weights.txt", "metadata": {"instance": 1, "cpu": 0.5, "memory": 300},
    }  # fmt: skip
    service = client.services.create(written(folder, descriptor)).wait(timeout=120)
    with service.predictor() as predictor:
        assert predictor.predict(b"\x00\xffabc", path="/any/path") == b"cba\xff\x00!"
    service.delete()


def test_require_safe_refuses_a_pickle_before_anything_starts_and_lets_own_code_run(
    client: Client, tmp_path: Path
) -> None:
    descriptor = EXAMPLES / "sklearn-pipeline" / "service.json"
    report = client.validate(descriptor, set=["require_safe=true"])
    assert [(error["pointer"], error["code"]) for error in report["errors"]] == [("/model_path", "unreadable-model")]
    with pytest.raises(MlserveError, match="require_safe"):
        client.services.create(descriptor, set=["require_safe=true"]).wait(timeout=60)
    own = client.validate(EXAMPLES / "text-pipeline" / "service.json", set=["require_safe=true"])
    assert own["valid"]
    assert [warning["code"] for warning in own["warnings"]] == ["own-code"]
