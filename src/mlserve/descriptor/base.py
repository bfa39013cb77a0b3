"""What all models of the descriptor share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Words(BaseModel):
    """A part of a descriptor: never changes once read, and has no field that nobody knows."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        coerce_numbers_to_str=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


def _unset(value: object) -> object:
    return None if value == "" else value


Text = Annotated[str | None, BeforeValidator(_unset)]
"""A text that "" leaves unset, as published descriptors do."""
