"""Which fields of a descriptor name files: on the user's own machine, or at an address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlserve.descriptor.pointers import Place, pointer_of
from mlserve.descriptor.shapes import shape

if TYPE_CHECKING:
    from mlserve.descriptor.service import Descriptor

PATH_FIELDS: tuple[Place, ...] = (
    ("model_path",),
    ("processor_path",),
    ("warm_up_data_path",),
    ("pipeline", "*", "model_path"),
    ("pipeline", "*", "processor_path"),
    ("monitor", "drift", "reference"),
    ("explain", "background"),
)
"""Their places; ``"*"`` is any item of a list."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def local_paths(raw: dict[str, Any]) -> dict[str, str]:
    """JSON pointer → path, of the fields whose value is a plain local path: relative or absolute, no address.

    The pointers are those of the nested form, also where the user wrote a dotted key.
    Raises InvalidDescriptor where ``raw`` is no object at all.
    """
    return {pointer: value for pointer, value in _named(shape(raw).values) if not _SCHEME.match(value)}


def paths_of(descriptor: Descriptor) -> dict[str, str]:
    """JSON pointer → path or address, of every field that names files."""
    return dict(_named(descriptor.model_dump(by_alias=True)))


def is_path(name: str) -> bool:
    """Whether a field, written with dots (``pipeline.0.model_path``), names files."""
    place = tuple("*" if part.isdigit() else part for part in name.split("."))
    return place in PATH_FIELDS


def _named(values: Any) -> Iterator[tuple[str, str]]:
    for place in PATH_FIELDS:
        for found, value in _at(values, place, ()):
            if isinstance(value, str) and value:
                yield pointer_of(found), value


def _at(value: Any, place: Place, so_far: Place) -> Iterator[tuple[Place, Any]]:
    """What is at a place, and at each of those that a ``"*"`` in it stands for."""
    if not place:
        yield so_far, value
    elif place[0] == "*":
        for index, item in enumerate(value if isinstance(value, list | tuple) else ()):
            yield from _at(item, place[1:], (*so_far, str(index)))
    elif isinstance(value, dict) and place[0] in value:
        yield from _at(value[place[0]], place[1:], (*so_far, place[0]))
