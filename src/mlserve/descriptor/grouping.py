"""What a descriptor must say of the service's group. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlserve.descriptor.pointers import detail
from mlserve.descriptor.service import Descriptor
from mlserve.descriptor.shapes import Shape
from mlserve.errors import Detail


def grouping(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    """Mistakes that lie between the fields of a group."""
    wished = descriptor.metadata

    def told(name: str, message: str) -> Detail:
        return detail(shaped.written.get(("metadata", name), f"/metadata/{name}"), "invalid", message)

    if wished.group and wished.group == descriptor.name:
        yield told("group", f'the group "{wished.group}" needs a name of its own: both have an address')
    if wished.release and not wished.group:
        message = "metadata.release puts a service beside the others of its group, and there is no metadata.group"
        yield told("release", message + " (how the next version takes over is release, at the top)")
