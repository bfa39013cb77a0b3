"""Warn of a fallback or a mirror that is gone or stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlserve.descriptor.pointers import detail
from mlserve.errors import Detail
from mlserve.hub.wishes import Wishes


def warnings(shown: Mapping[str, Any], wishes: Wishes) -> Iterator[Detail]:
    """A warning for a fallback and a mirror that could not answer, whoever took them away."""
    fallback, mirror = shown["fallback"], shown["mirror"]
    if fallback and (how := _absent(fallback["service"], wishes)):
        message = f'the fallback "{fallback["service"]}" {how}: what this service does not answer fails meanwhile'
        yield detail("/fallback/service", "absent", message)
    if mirror and (how := _absent(mirror["to"], wishes)):
        yield detail("", "absent", f'"{mirror["to"]}", which gets copies of its requests, {how}: none are sent')


def _absent(name: str, wishes: Wishes) -> str:
    service = wishes.find(name)
    if service is None or service.deleting:
        return "is gone"
    return "is stopped" if service.stopped else ""
