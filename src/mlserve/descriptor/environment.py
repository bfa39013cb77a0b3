"""Environment variables of a service's program."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from mlserve.descriptor.base import Words

RESERVED = (
    "PORT", "LISTENING_PORT", "MLSERVE_CALLS", "MLSERVE_INSTANCE", "MLSERVE_REPORT", "MLSERVE_RUNTIME",
    "MLSERVE_SECRETS",
)  # fmt: skip
"""Set by mlserve itself in each instance."""


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


class EnvVar(Words):
    """One variable."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)
    """A letter or underscore, then letters, digits, underscores."""
    value: Annotated[str, BeforeValidator(_text, json_schema_input_type=str | int | float | bool | None)] = Field(
        default="", repr=False
    )
    """Its value; numbers and true/false are written as text."""
