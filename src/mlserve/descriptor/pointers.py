"""JSON pointers (RFC 6901), and details of an error that name a field by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlserve.errors import Detail, InvalidDescriptor

Place = tuple[str, ...]
"""Where a field is in a descriptor, in its nested form: ``("metadata", "rpc", "keepalive")``."""


def join(pointer: str, name: str | int) -> str:
    """The pointer of a member below ``pointer``."""
    return f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"


def pointer_of(place: Iterable[str | int]) -> str:
    """The pointer of a place."""
    pointer = ""
    for name in place:
        pointer = join(pointer, name)
    return pointer


def dotted(place: Iterable[str | int]) -> str:
    """A place as people write it: ``metadata.rpc.keepalive``."""
    return ".".join(str(name) for name in place)


def detail(pointer: str, code: str, message: str, **more: object) -> Detail:
    """One entry of an error's details."""
    return {"pointer": pointer, "code": code, "message": message, **more}


def refusal(details: Sequence[Detail], *, hint: str = "") -> InvalidDescriptor:
    """The error that says all of ``details`` at once."""
    messages = [str(entry["message"]) for entry in details]
    if len(messages) == 1:
        message = messages[0]
    else:
        message = f"the descriptor has {len(messages)} mistakes: " + "; ".join(messages[:5])
        message += "; …" if len(messages) > 5 else ""
    return InvalidDescriptor(message, hint=hint or _hint(details), details=details)


def _hint(details: Sequence[Detail]) -> str:
    nearest = next((str(entry["nearest"]) for entry in details if entry.get("nearest")), "")
    if nearest:
        return f'did you mean "{nearest}"?'
    if any(entry["code"] == "unsupported" for entry in details):
        return "take the field out, or choose a resource group that has it with metadata.resource"
    return "correct it and try again: mlserve validate FILE checks without starting anything"
