"""Whether a model is of a format that its processor serves: known from its file, before anything is built for it."""

from __future__ import annotations

from mlserve.descriptor import Descriptor
from mlserve.engines.catalogue import catalogue, find
from mlserve.errors import InvalidInput
from mlserve.inspection import Finding

_PICKLED = ("sklearn", "xgboost", "lightgbm", "catboost")
"""Their objects may come in one another's pickles."""

_FIXES = {"torch": 'torch.export.save(torch.export.export(model.eval(), (example,)), "model.pt2"), and serve that file'}
"""By the library that wrote it: how to save a program instead."""

_SAFER = {
    "torch": "save it as ONNX (torch.onnx.export) or as TorchScript (torch.jit.save)",
    "xgboost": "save it with model.save_model('model.json')",
    "lightgbm": "save it with model.booster_.save_model('model.txt')",
    "catboost": "save it with model.save_model('model.cbm')",
    "keras": "save it without Lambda layers, or as ONNX",
    "tensorflow": "export it without operations that reach files or Python, or as ONNX",
    "huggingface": "save it with save_pretrained(folder, safe_serialization=True), which writes safetensors",
    "sklearn": "save it as ONNX or with skops (skops.io.dump)",
}
"""By library or format: how to save the same so that reading it runs nothing."""


def safer(finding: Finding) -> str:
    """What to save instead of a file that can run code."""
    return _SAFER.get(finding.framework) or _SAFER.get(finding.format or "") or "save it as ONNX"


def require_fit(descriptor: Descriptor, finding: Finding) -> None:
    """Raises InvalidInput for a file that is known to be something else than the processor asked for."""
    asked = find(descriptor.processor or "")
    if asked is None or not (asked.suffixes or asked.markers):
        return  # code of the user's own, which may read anything
    if finding.format is None and finding.framework and finding.notes:
        raise _refusal(
            f"the model is nothing that processor {asked.name} serves: {finding.notes[0]}",
            _FIXES.get(finding.framework, "choose another processor, or save the model as that one reads it"),
        )
    if finding.format in (None, asked.name) or _pickled(asked.name, finding):
        return
    if finding.format in catalogue():
        what = f"the model is of the format {finding.format}, and the descriptor asks for processor {asked.name}"
        raise _refusal(what, f'set "processor": "{finding.format}"')


def _pickled(name: str, finding: Finding) -> bool:
    return finding.format == "sklearn" and name in _PICKLED and name in ("sklearn", finding.framework)


def _refusal(message: str, hint: str) -> InvalidInput:
    return InvalidInput(message, hint=hint, details=[{"pointer": "/processor", "cause": "unreadable-model"}])
