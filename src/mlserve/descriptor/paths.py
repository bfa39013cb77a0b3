"""Which fields of a descriptor name files: on the user's own machine, or at an address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlserve.descriptor.pointers import Place, pointer_of
from mlserve.descriptor.repositories import OPTIONS, read_by_the_server, repositories
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
    values = shape(raw).values
    named = (*_named(values), *_in_params(values.get("processor"), values.get("processor_params")))
    return {pointer: value for pointer, value in named if not _SCHEME.match(value)}


def paths_of(descriptor: Descriptor) -> dict[str, str]:
    """JSON pointer → path or address, of every field that names files.

    A repository that the server reads itself is not among them.
    """
    params = descriptor.processor_params
    found = _in_params(descriptor.processor, params)
    fetched = {pointer: address for pointer, address in found if not read_by_the_server(params, address)}
    return dict(_named(descriptor.model_dump(by_alias=True))) | fetched


def read_elsewhere(descriptor: Descriptor) -> dict[str, str]:
    """JSON pointer → address, of the repositories that the server reads itself."""
    params = descriptor.processor_params
    found = _in_params(descriptor.processor, params)
    return {pointer: address for pointer, address in found if read_by_the_server(params, address)}


def is_path(name: str, value: str = "") -> bool:
    """Whether a field, written with dots (``pipeline.0.model_path``), names files when it has that value."""
    place = tuple("*" if part.isdigit() else part for part in name.split("."))
    return place in PATH_FIELDS or (place[0] == "processor_params" and any(option in value for option in OPTIONS))


def _named(values: Any) -> Iterator[tuple[str, str]]:
    for place in PATH_FIELDS:
        for found, value in _at(values, place, ()):
            if isinstance(value, str) and value:
                yield pointer_of(found), value


def _in_params(processor: Any, params: Any) -> Iterator[tuple[str, str]]:
    for place, address in repositories(processor, params):
        yield pointer_of(("processor_params", place)), address


def _at(value: Any, place: Place, so_far: Place) -> Iterator[tuple[Place, Any]]:
    """What is at a place, and at each of those that a ``"*"`` in it stands for."""
    if not place:
        yield so_far, value
    elif place[0] == "*":
        for index, item in enumerate(value if isinstance(value, list | tuple) else ()):
            yield from _at(item, place[1:], (*so_far, str(index)))
    elif isinstance(value, dict) and place[0] in value:
        yield from _at(value[place[0]], place[1:], (*so_far, place[0]))
