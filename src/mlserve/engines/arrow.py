"""Whether an instance reads Parquet and Arrow. The library for it is large, so not every environment has it."""

from __future__ import annotations

from mlserve.descriptor import Descriptor
from mlserve.engines.catalogue import find
from mlserve.model_config import as_object

_LIBRARY = ("pyarrow>=15",)
_TABULAR = frozenset(("sklearn", "xgboost", "lightgbm", "catboost", "pmml"))
"""Formats whose inputs are rows of columns; with others ``model_config.arrow`` asks for it."""


def requirements(descriptor: Descriptor) -> tuple[str, ...]:
    """What ``"arrow": true`` or ``false`` in ``model_config`` says, else by the processor."""
    asked = as_object(descriptor.config).get("arrow")
    entry = find(descriptor.processor or "")
    wanted = entry is not None and entry.name in _TABULAR if asked is None else bool(asked)
    return _LIBRARY if wanted else ()
