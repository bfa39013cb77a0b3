"""What the containers of a descriptor must say together, and what deserves a warning. Pure."""

from __future__ import annotations

import base64
import binascii
import shlex
from collections.abc import Iterator

from mlserve.descriptor.environment import RESERVED
from mlserve.descriptor.image import Container
from mlserve.descriptor.pointers import Place, detail, pointer_of
from mlserve.descriptor.service import Descriptor
from mlserve.descriptor.shapes import Shape, told
from mlserve.errors import Detail


def main_of(descriptor: Descriptor) -> int:
    """The number of the container that answers requests: the first with a port, else the first."""
    found = (index for index, container in enumerate(descriptor.containers) if container.port)
    return next(found, 0)


def asked_path(descriptor: Descriptor) -> str | None:
    """What the container that answers requests says at its own port while it is well; None: nobody knows."""
    if not descriptor.containers:
        return None
    container = descriptor.containers[main_of(descriptor)]
    page = container.health_check.http_get if container.health_check else None
    return page.path if page and page.port in (None, container.port) else None


def containers(descriptor: Descriptor, shaped: Shape, *, refused: bool) -> Iterator[Detail]:
    """Mistakes in them and between them; ``refused``: some field was refused, and is not missed here."""
    if descriptor.docker_auth and not _is_login(descriptor.docker_auth):
        message = "dockerAuth has to be base64 of user:password: printf %s user:password | base64"
        yield told(shaped, "dockerAuth", "invalid", message)
    for index, container in enumerate(descriptor.containers):
        yield from _container(container, index, shaped)
        check = container.health_check
        if check and bool(check.http_get) == bool(check.tcp_socket) and (check.http_get or not refused):
            message = f"containers.{index}.health_check needs one of http_get and tcp_socket"
            yield detail(_pointer(("containers", str(index), "health_check"), shaped), "invalid", message)
    yield from _clashes(descriptor, shaped)
    for name in ("pipeline", "command", "port", "env"):
        if descriptor.containers and getattr(descriptor, name):
            message = f"{name} beside containers: a service of images says it in its container"
            yield told(shaped, name, "conflict", message)


def warnings(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    """What works, but not as some would expect."""
    if not descriptor.containers:
        return
    for name in ("processor", "processor_type"):
        if getattr(descriptor, name):
            message = f"{name} is not used: where there are containers, they serve"
            yield told(shaped, name, "not-applied", message)
    main = main_of(descriptor)
    container = descriptor.containers[main]
    if not container.port and "PORT" not in (container.command or container.script or ""):
        message = f"containers.{main} names no port: its program has to listen where $PORT says"
        yield detail(_pointer(("containers", str(main)), shaped), "port", message)
    ports = [index for index, one in enumerate(descriptor.containers) if one.port]
    if len(ports) > 1:
        message = f"containers.{main} answers the requests: it is the first with a port; the others are reached by it"
        yield detail(_pointer(("containers", str(main), "port"), shaped), "port", message)
    for index, other in enumerate(descriptor.containers):
        if index != main and other.health_check:
            place = ("containers", str(index), "health_check")
            message = f"containers.{index}.health_check is not asked: only the container that answers requests is"
            yield detail(_pointer(place, shaped), "not-applied", message)


def _container(container: Container, index: int, shaped: Shape) -> Iterator[Detail]:
    place: Place = ("containers", str(index))
    if container.command and container.script:
        message = f"containers.{index} has command and script: keep one of them"
        yield detail(_pointer((*place, "script"), shaped), "conflict", message)
    if container.command and not words(container.command):
        message = f"containers.{index}.command is empty, or a quote in it is not closed"
        yield detail(_pointer((*place, "command"), shaped), "invalid", message)
    seen: set[str] = set()
    for number, variable in enumerate(container.env):
        pointer = _pointer((*place, "env", str(number)), shaped)
        if variable.name in RESERVED and variable.value != str(container.port):
            yield detail(pointer, "invalid", f"{variable.name} is set by mlserve itself in each container")
        elif variable.name in seen:
            yield detail(pointer, "conflict", f"{variable.name} is set twice: keep one")
        seen.add(variable.name)


def _clashes(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    """The containers of an instance share an address, and so its ports."""
    owners: dict[int, int] = {}
    for index, container in enumerate(descriptor.containers):
        if container.port in owners:
            message = (
                f"containers.{index}.port is {container.port}, which containers.{owners[container.port]} has: "
                "the containers of an instance share an address, so each needs a port of its own"
            )
            yield detail(_pointer(("containers", str(index), "port"), shaped), "conflict", message)
        elif container.port:
            owners[container.port] = index


def _is_login(text: str) -> bool:
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return bool(user and colon and password)


def words(command: str) -> list[str]:
    """The words of a command; none where a quote is not closed."""
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _pointer(place: Place, shaped: Shape) -> str:
    return shaped.written.get(place) or pointer_of(place)
