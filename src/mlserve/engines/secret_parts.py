"""Which parts of what the runtime is told are secret: they travel as files that only it may read. Pure."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlserve.descriptor import masked
from mlserve.descriptor.secrets import is_secret_variable


@dataclass(frozen=True, slots=True)
class Told:
    """An environment that anybody may see, and files for the program's eyes only."""

    environment: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)


def told(variables: Mapping[str, str], specification: Mapping[str, Any]) -> Told:
    """Variables of the user and the runtime's specification, each with its secrets apart."""
    hidden = {name: value for name, value in variables.items() if is_secret_variable(name, value)}
    parts = {name: value for name, value in specification.items() if _holds_secret(value)}
    shown = {name: None if name in parts else value for name, value in specification.items()}
    files = {"environment.json": hidden, "runtime.json": parts}
    return Told(
        {
            **{name: value for name, value in variables.items() if name not in hidden},
            "MLSERVE_RUNTIME": json.dumps(shown),
        },
        {name: json.dumps(content) for name, content in files.items() if content},
    )


def _holds_secret(value: Any) -> bool:
    plain = json.loads(json.dumps(value))
    if isinstance(plain, str):  # a model_config that is text
        with contextlib.suppress(ValueError):
            plain = json.loads(plain)
    owner = {"value": plain}
    return bool(masked(owner) != owner)
