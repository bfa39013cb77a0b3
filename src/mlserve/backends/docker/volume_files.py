"""Bring files into volumes and out of them, through containers that are never started; remote engines too."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from mlserve.backends.docker import labels
from mlserve.backends.docker.tar_stream import ROOT
from mlserve.backends.docker.volume_plan import CARRIER, READER, Volume, carrier
from mlserve.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from docker import DockerClient

NOTHING_THERE = "nothing-to-mount"
_FOLDER = "/carried"
_PLACE = f"{_FOLDER}/{ROOT}"


def is_full(client: DockerClient, volume: Volume) -> bool:
    """Whether the volume is there with all that belongs in it: the carrier of one that was not filled is still there.

    Both are made by one call, so that a hub which dies meanwhile leaves no volume that only looks full.
    """
    import docker

    try:
        found = client.api.inspect_volume(volume.name)
    except docker.errors.NotFound:
        return False
    if (found["Labels"] or {}).get(labels.HUB) != volume.labels[labels.HUB]:
        raise Conflict(f"somebody else has a volume {volume.name}", hint=f"docker volume inspect {volume.name}")
    return not _carriers(client, volume)


def fill(client: DockerClient, volume: Volume, image: str, content: Iterable[bytes]) -> None:
    """Make the volume and put a stream of `tar_stream` into it; nothing of it stays when that fails."""
    with _carried(client, volume, carrier(volume, image, _PLACE)) as container:
        client.api.put_archive(container, _FOLDER, content)


def copy(client: DockerClient, volume: Volume, image: str, path: str) -> None:
    """Make the volume with what an image has at a path: the engine does so itself, nothing comes here."""
    with _carried(client, volume, carrier(volume, image, path, copies=True)) as container:
        with _read(client, container, path) as archive:
            found = [archive.next(), archive.next()]
        if found[1] is None:
            message = f"there is nothing at {path} in the image {image}"
            hint = "check storage[].image.path: it is a folder with something in it"
            raise InvalidInput(message, hint=hint, details=[{"code": NOTHING_THERE, "message": message}])


def make(client: DockerClient, volume: Volume) -> None:
    """Make a volume that the engine mounts by itself; one of that name is as good."""
    client.api.create_volume(
        volume.name, driver="local", driver_opts=dict(volume.options) or None, labels=dict(volume.labels)
    )


@contextmanager
def opened(client: DockerClient, volume: Volume, image: str) -> Iterator[tarfile.TarFile]:
    """What is in the volume, to be read from front to end."""
    container = _created(client, carrier(volume, image, _PLACE, READER))
    try:
        with _read(client, container, _PLACE) as archive:
            yield archive
    finally:
        client.api.remove_container(container, force=True, v=True)


def clear(client: DockerClient, marks: Mapping[str, str], busy: Callable[[str], bool]) -> None:
    """Remove what was left over of a hub that died: what it read through, and what it had not filled.

    ``busy``: whether this hub is at work on a volume.
    """
    filters = {"label": [f"{key}={value}" for key, value in marks.items()]}
    for container in client.api.containers(all=True, filters=filters):
        told = container["Labels"]
        name = told.get(CARRIER) or told.get(READER)
        if name and not busy(name):
            client.api.remove_container(container["Id"], force=True, v=True)
            remove(client, [name] if CARRIER in told else [])


def remove(client: DockerClient, names: Iterable[str]) -> None:
    """Remove volumes; one that a container still has stays until the next time."""
    import docker

    for name in names:
        try:
            client.api.remove_volume(name)
        except docker.errors.NotFound:
            continue
        except docker.errors.APIError as exc:
            if exc.status_code != 409:
                raise


def labelled(client: DockerClient, marks: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    """Volumes with these labels: name → all labels."""
    filters = {"label": [f"{key}={value}" for key, value in marks.items()]}
    found = client.api.volumes(filters)["Volumes"] or []
    return {volume["Name"]: volume["Labels"] or {} for volume in found}


@contextmanager
def _carried(client: DockerClient, volume: Volume, body: Mapping[str, Any]) -> Iterator[str]:
    for left in _carriers(client, volume):
        client.api.remove_container(left, force=True, v=True)
    container = _created(client, body)
    try:
        yield container
    except BaseException:
        client.api.remove_container(container, force=True, v=True)
        remove(client, [volume.name])
        raise
    client.api.remove_container(container, force=True, v=True)


def _created(client: DockerClient, body: Mapping[str, Any]) -> str:
    api: Any = client.api  # this one call of it has no types
    return str(api.create_container_from_config(dict(body))["Id"])


def _carriers(client: DockerClient, volume: Volume) -> list[str]:
    found = client.api.containers(all=True, filters={"label": [f"{CARRIER}={volume.name}"]})
    return [container["Id"] for container in found]


@contextmanager
def _read(client: DockerClient, container: str, path: str) -> Iterator[tarfile.TarFile]:
    stream, _ = client.api.get_archive(container, path)
    # The engine does nothing else to the container before this was read to its end, or let go of.
    with (
        closing(cast("Generator[bytes]", stream)) as pieces,
        tarfile.open(fileobj=cast("IO[bytes]", _Pieces(pieces)), mode="r|") as archive,
    ):
        yield archive


class _Pieces:
    """A stream of pieces, as `tarfile` reads it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def read(self, size: int) -> bytes:
        parts, left = [], size
        while left > 0:
            piece = self._rest or next(self._pieces, b"")
            if not piece:
                break
            parts.append(piece[:left])
            self._rest = piece[left:]
            left -= len(parts[-1])
        return b"".join(parts)
