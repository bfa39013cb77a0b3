"""From what a user wrote to a Descriptor: shape, sort, read, check together. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from mlserve.descriptor.capabilities import EVERYTHING
from mlserve.descriptor.checks import together, warnings_of
from mlserve.descriptor.fields import Sort
from mlserve.descriptor.pointers import Place, detail, dotted, pointer_of, refusal
from mlserve.descriptor.secrets import is_secret, masked_text
from mlserve.descriptor.service import Descriptor
from mlserve.descriptor.shapes import Shape, shape
from mlserve.descriptor.sorting import sort_fields
from mlserve.errors import Detail


@dataclass(frozen=True, slots=True)
class Parsed:
    """A descriptor that can be used, and what its writer should know."""

    descriptor: Descriptor
    warnings: list[Detail] = field(default_factory=list)
    fields: dict[str, Sort] = field(default_factory=dict)
    """JSON pointer, as the user wrote it → what becomes of the field."""


def parse(raw: dict[str, Any], *, supported: frozenset[str] = EVERYTHING) -> Parsed:
    """Read a descriptor for a backend with these capabilities; raises InvalidDescriptor with every mistake at once.

    Unless they are given, what any kind of backend can do is accepted.
    """
    shaped = shape(raw)
    result = sort_fields(shaped, supported)
    errors = [*shaped.conflicts, *result.errors]
    try:
        descriptor = Descriptor.model_validate(result.used)
    except ValidationError as exc:
        errors += _mistakes(exc, shaped)
        descriptor = None
    if descriptor is not None:
        errors += together(descriptor, shaped, refused=bool(errors))
    if errors or descriptor is None:
        raise refusal(errors)
    return Parsed(descriptor, [*result.warnings, *warnings_of(descriptor, shaped)], result.fields)


def resource_of(raw: dict[str, Any]) -> str:
    """The resource group that a descriptor names, read before anything else of it is checked; "" is the default one."""
    metadata = shape(raw).values.get("metadata")
    word = metadata.get("resource") if isinstance(metadata, dict) else None
    return word if isinstance(word, str) else ""


def name_of(raw: dict[str, Any]) -> str:
    """The service that a descriptor names, at the top or in metadata, read before anything of it is checked."""
    word = shape(raw).values.get("name")
    return word if isinstance(word, str) else ""


def _mistakes(error: ValidationError, shaped: Shape) -> Iterator[Detail]:
    seen: set[str] = set()
    entries = error.errors(include_url=False, include_context=True)
    wrong_within = {entry["loc"][:-1] for entry in entries}
    for entry in entries:
        if entry["type"] == "too_short" and entry["loc"] in wrong_within:
            continue  # what is wrong in a list is left out of it, so pydantic counts too few
        place = _place(entry["loc"], shaped)
        pointer = shaped.written.get(place) or _nearest_written(place, shaped)
        if pointer in seen:
            continue
        seen.add(pointer)
        if entry["type"] == "missing":
            yield detail(pointer, "missing", _missing(place))
        else:
            yield detail(pointer, "invalid", f"{dotted(place)} {_said(entry)}{_value_shown(place, entry['input'])}")


_ALTERNATIVES = ("str", "int", "float", "bool", "dict", "dict[str,any]")


def _place(loc: tuple[int | str, ...], shaped: Shape) -> Place:
    """The field an error is about: pydantic's location without the names of the alternatives it tried."""
    place: Place = ()
    for part in loc:
        if (*place, str(part)) in shaped.written or str(part) not in _ALTERNATIVES:
            place = (*place, str(part))
    return place


def _nearest_written(place: Place, shaped: Shape) -> str:
    for length in range(len(place) - 1, 0, -1):
        if place[:length] in shaped.written:
            return shaped.written[place[:length]] + pointer_of(place[length:])
    return pointer_of(place)


def _missing(place: Place) -> str:
    if place == ("name",):
        return "the service has no name: write it at the top or in metadata"
    return f"{dotted(place)} is missing"


_TEXTS = {
    "greater_than": "has to be more than {gt}",
    "greater_than_equal": "has to be at least {ge}",
    "less_than_equal": "has to be at most {le}",
    "int_parsing": "wants a whole number",
    "int_type": "wants a whole number",
    "int_from_float": "wants a whole number",
    "int_parsing_size": "is a number too large to hold",
    "float_parsing": "wants a number",
    "float_type": "wants a number",
    "finite_number": "wants a finite number",
    "bool_parsing": "wants true or false",
    "bool_type": "wants true or false",
    "string_type": "wants text",
    "dict_type": "wants an object",
    "model_type": "wants an object of fields",
    "model_attributes_type": "wants an object of fields",
    "tuple_type": "wants a list",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "is empty",
    "too_long": "has more than {max_length} entries",
    "literal_error": "has to be one of {expected}",
    "value_error": "{error}",
}
_PATTERNS = {
    "user": 'has to be "root", or numbers: uid or uid:gid',
    "image": "is not an image's address",
    "name": "has to begin with a-z and go on with a-z, 0-9, _ and -, 63 characters at most",
    "token": "has a character that can't be sent in a header: use visible ASCII without spaces",
}


def _said(entry: Any) -> str:
    if entry["type"] == "string_pattern_mismatch":
        return _PATTERNS.get(str(entry["loc"][-1]), "is not written as it has to be")
    text = _TEXTS.get(entry["type"])
    return text.format(**entry.get("ctx", {})) if text else str(entry["msg"]).lower()


def _value_shown(place: Place, value: Any) -> str:
    """``, not "abc"``: only single values, and never a secret."""
    if is_secret(place) or isinstance(value, dict | list | tuple | bool) or value is None:
        return ""
    text = f'"{masked_text(value)}"' if isinstance(value, str) else str(value)
    return f", not {text if len(text) <= 60 else text[:60] + '…'}"
