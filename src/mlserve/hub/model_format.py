"""Whether a model is of a format that its processor serves: known from its file, before anything is built for it."""

from __future__ import annotations

from mlserve.descriptor import Descriptor
from mlserve.engines.catalogue import catalogue, find
from mlserve.errors import InvalidInput
from mlserve.inspection import Finding

_PICKLED = ("sklearn", "xgboost", "lightgbm", "catboost")
"""Their objects may come in one another's pickles."""


def require_fit(descriptor: Descriptor, finding: Finding) -> None:
    """Raises InvalidInput for a file that is known to be something else than the processor asked for."""
    asked = find(descriptor.processor or "")
    if asked is None or not (asked.suffixes or asked.markers):
        return  # code of the user's own, which may read anything
    if finding.format is None and finding.framework and finding.notes:
        raise _refusal(
            f"the model is nothing that processor {asked.name} serves: {finding.notes[0]}",
            "choose another processor, or save the model as that one reads it",
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
