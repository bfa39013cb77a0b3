"""What an instance offers besides the three ways to ask its model, and what it says to a path of no model of its."""

from __future__ import annotations

from collections.abc import Callable

from mlserve.runtime.metrics import Metrics
from mlserve.runtime.protocols.abilities import generates
from mlserve.runtime.protocols.base import Model, RequestFormat
from mlserve.runtime.protocols.documents import Documents
from mlserve.runtime.protocols.v2_control import V2Control


def more_formats(model: Model, metrics: Metrics, ready: Callable[[], bool]) -> list[RequestFormat]:
    """By what the model can do."""
    more: list[RequestFormat] = [V2Control(model, metrics, ready), Documents(model)]
    if generates(model):
        from mlserve.runtime.protocols.generate import Generate  # few models do

        more.append(Generate(model))
    return more


def no_such_model(path: str, model: Model) -> str | None:
    """Why a path of a model, a version or a label leads nowhere; ``None`` where that is not the reason."""
    parts = path.split("/")
    if path.startswith("/v2/repository/models/"):
        name, rest = parts[4], parts[5:]
    elif path.startswith(("/v1/models/", "/v2/models/")):
        name, rest = parts[3].partition(":")[0], parts[4:]
    else:
        return None
    if name != model.service:
        return f'no model "{name}" here (model: {model.service})'
    if len(rest) > 1 and rest[0] == "versions" and (asked := rest[1].partition(":")[0]) != str(model.version):
        return f'model "{name}" has no version {asked} here (version: {model.version})'
    if len(rest) > 1 and rest[0] == "labels":
        return f'model "{name}" has no label {rest[1].partition(":")[0]} here (labels: none; version: {model.version})'
    return None
