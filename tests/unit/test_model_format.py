"""A processor and a model of another format are told apart before anything is built."""

from __future__ import annotations

import pytest

from mlserve.descriptor import parse
from mlserve.errors import InvalidInput
from mlserve.hub.model_format import require_fit, safer
from mlserve.inspection import Finding


def fit(processor: str, finding: Finding) -> None:
    require_fit(parse({"name": "s", "processor": processor, "model_path": "m"}).descriptor, finding)


@pytest.mark.parametrize(
    ("processor", "finding"),
    [
        ("onnx", Finding("onnx")),
        ("onnx_cu100", Finding("onnx")),
        ("sklearn", Finding("sklearn", "xgboost")),
        ("xgboost", Finding("sklearn", "xgboost")),
        ("lightgbm", Finding("lightgbm", "lightgbm")),
        ("onnx", Finding()),
        ("tensorflow_cpu_2.3", Finding("tensorflow")),
    ],
)
def test_a_model_of_its_processors_format_passes(processor: str, finding: Finding) -> None:
    fit(processor, finding)


def test_a_model_of_another_format_is_refused_with_the_processor_for_it() -> None:
    with pytest.raises(InvalidInput, match=r"format lightgbm.*processor xgboost") as caught:
        fit("xgboost", Finding("lightgbm", "lightgbm"))
    assert caught.value.hint == 'set "processor": "lightgbm"'
    with pytest.raises(InvalidInput, match="format sklearn"):
        fit("xgboost", Finding("sklearn", "sklearn"))


def test_weights_without_a_program_are_refused_for_what_they_are() -> None:
    with pytest.raises(InvalidInput, match=r"torch\.save") as caught:
        fit("pytorch_gpu_1.6", Finding(framework="torch", notes=("written by torch.save",)))
    assert caught.value.hint.startswith("torch.export.save(torch.export.export(model.eval()")


@pytest.mark.parametrize(
    ("finding", "word"),
    [
        (Finding("pytorch", "torch"), "torch.onnx.export"),
        (Finding("sklearn", "sklearn"), "skops"),
        (Finding("sklearn", "xgboost"), "model.json"),
        (Finding("huggingface", "transformers"), "safetensors"),
        (Finding(), "ONNX"),
    ],
)
def test_what_can_run_code_is_to_be_saved_as_its_own_library_saves_it_safely(finding: Finding, word: str) -> None:
    assert word in safer(finding)
    assert ("skops" in safer(finding)) == (word == "skops")


def test_code_of_the_users_own_may_read_anything() -> None:
    finding = Finding("keras", "keras")
    own = {"name": "s", "processor_type": "python", "processor_path": "p", "processor_entry": "a.py", "model_path": "m"}
    require_fit(parse(own).descriptor, finding)
