"""EAS's processor names: what ours a name is served by, and what is said of those that nothing here serves. Pure."""

from __future__ import annotations

import re

_ONNX = "export the model to ONNX and use processor onnx"
_CODE = "serve it with a Python class of your own (processor_type python)"
_TEXT = "save model and tokenizer with save_pretrained(folder) and use processor huggingface"
_PMML = "export the model as PMML and use processor pmml"
_FOREIGN: tuple[tuple[str, str, str], ...] = (
    (
        r"easyrec(-\d.*)?",
        "EasyRec, recommenders on TensorFlow with feature generation of its own",
        "export the SavedModel and use processor tensorflow",
    ),
    (
        r"easyrec-torch.*|torch_?easyrec.*",
        "TorchEasyRec, recommenders on PyTorch",
        "export a TorchScript program and use processor pytorch",
    ),
    (r"caffe.*", "Caffe, which has had no release since 2017", _ONNX),
    (r"parameter_ser?ver", "the PAI parameter server for sparse linear models and trees", _PMML),
    (r"alink.*", "Alink, pipelines on Flink", _PMML),
    (r"xnn.*", "xNN, networks compressed for phones", _ONNX),
    (r"easy_?vision.*|easycv.*", "EasyVision or EasyCV, image models in a package of their own", _ONNX),
    (r"easy_?(transfer|nlp).*", "EasyTransfer or EasyNLP, text models in a package of their own", _TEXT),
    (r"easy_?asr.*", "EasyASR, speech recognition in a package of its own", _CODE),
    (
        r"blade.*",
        "PAI-Blade, whose optimised models need its own SDK",
        "serve the model as it was before Blade: processor tensorflow, pytorch or onnx",
    ),
    (
        r"mediaflow.*",
        "MediaFlow, a pipeline of audio and video steps",
        "write the steps into the descriptor's pipeline, or " + _CODE,
    ),
)


def foreign(word: str) -> tuple[str, str] | None:
    """What an EAS processor that nothing here serves is, and what to do instead; None for any other word."""
    return next(((what, instead) for pattern, what, instead in _FOREIGN if re.fullmatch(pattern, word)), None)


def mapped(word: str, name: str, *, gpu: float) -> str:
    """What is said of a word that one of our processors answers to: its version and device are not the word's."""
    told = f'processor "{word}" is served by our processor "{name}"'
    if version := re.search(r"_(\d+\.\d+)$", word):
        told += f", in a version of today rather than {version.group(1)}"
    if re.search(r"_gpu|_cu\d", word) and not gpu:
        told += ", on the CPU, since metadata.gpu asks for none"
    return told
