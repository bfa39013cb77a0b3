"""EAS's processor names: each is served by one of ours, or refused with what it is and what to do instead."""

from __future__ import annotations

import re

import pytest

from mlserve.engines.catalogue import catalogue, find, resolve
from mlserve.engines.eas import mapped
from mlserve.errors import InvalidDescriptor

SERVED = {
    "pmml": "pmml", "xgboost": "xgboost", "onnx_cu100": "onnx", "tensorflow_cpu": "tensorflow",
    "tensorflow_cpu_1.12": "tensorflow", "tensorflow_cpu_1.14": "tensorflow", "tensorflow_cpu_1.15": "tensorflow",
    "tensorflow_gpu_1.12": "tensorflow", "tensorflow_gpu_1.14": "tensorflow", "tensorflow_gpu_1.15": "tensorflow",
    "tensorflow_cpu_2.3": "tensorflow", "pytorch_cpu_1.6": "pytorch", "pytorch_gpu_1.6": "pytorch",
}  # fmt: skip
FOREIGN = [
    "easyrec", "easyrec-2.4", "easyrec-torch-1.0", "caffe_cpu", "caffe_gpu", "parameter_server", "parameter_sever",
    "alink_pai_processor", "xnn_cpu", "easy_vision_cpu_tf1.12_torch151", "easytransfer_gpu", "easynlp",
    "easy_nlp_gpu_tf1.12", "easy_nlp_with_transformer_gpu", "easycv", "easy_asr_gpu_tf1.12", "blade_cpu",
    "blade_cuda10.0_beta", "mediaflow",
]  # fmt: skip


@pytest.mark.parametrize("word", SERVED)
def test_a_name_of_eas_is_served_by_ours(word: str) -> None:
    assert resolve(word).name == SERVED[word]


@pytest.mark.parametrize("word", FOREIGN)
def test_a_name_that_nothing_serves_is_refused_with_another_way(word: str) -> None:
    assert find(word) is None
    with pytest.raises(InvalidDescriptor, match=re.escape(word)) as caught:
        resolve(word)
    assert "processor" in caught.value.hint
    assert caught.value.details[0]["pointer"] == "/processor"
    assert len(caught.value.message) > 40


def test_no_word_has_two_processors() -> None:
    for word in (*SERVED, *catalogue()):
        answering = [e.name for e in catalogue().values() if any(re.fullmatch(alias, word) for alias in e.aliases)]
        assert len(answering) <= 1 or word in catalogue(), (word, answering)


def test_what_a_name_promises_and_does_not_get_is_said() -> None:
    assert mapped("tensorflow_gpu_1.15", "tensorflow", gpu=0) == (
        'processor "tensorflow_gpu_1.15" is served by our processor "tensorflow", '
        "in a version of today rather than 1.15, on the CPU, since metadata.gpu asks for none"
    )
    assert "CPU" not in mapped("pytorch_gpu_1.6", "pytorch", gpu=1)


def test_a_processor_needs_other_packages_for_a_gpu_and_by_its_configuration() -> None:
    known = catalogue()
    assert known["onnx"].needs(gpu=False, config={}) == ("onnxruntime>=1.17",)
    assert known["onnx"].needs(gpu=True, config={})[0].startswith("onnxruntime-gpu")
    assert "jax>=0.4.30" in known["keras"].needs(gpu=False, config=None)
    assert "torch>=2.2" in known["keras"].needs(gpu=False, config={"backend": "torch"})
