"""The few things done to containers, each one call of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlserve.backends.docker.engine import Engine
from mlserve.backends.docker.output import Written, written
from mlserve.backends.sockets import Socket, listening
from mlserve.errors import Conflict, MlserveError, NotFound, ResourceUnavailable

START_SECONDS = 120.0
KEPT_LINES = 20_000
"""Of what a container wrote, when it is gone."""


async def find(engine: Engine, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """All containers with these labels, running or not, as the engine lists them."""
    words = [f"{name}={value}" for name, value in labels.items()]
    found: list[dict[str, Any]] = await engine.call(
        lambda client: client.api.containers(all=True, filters={"label": words})
    )
    return found


async def inspect(engine: Engine, container: str) -> dict[str, Any] | None:
    """All the engine knows of a container; None when it is gone."""
    try:
        found: dict[str, Any] = await engine.call(lambda client: client.api.inspect_container(container))
    except NotFound:
        return None
    return found


async def create(engine: Engine, name: str, body: Mapping[str, Any]) -> str:
    """Make a container, and return its id; raises what `Engine.call` raises, NotFound for a missing image."""

    def make(client: Any) -> str:
        return str(client.api.create_container_from_config(dict(body), name)["Id"])

    return await engine.call(make, seconds=START_SECONDS)


async def require_image(engine: Engine, image: str) -> None:
    """Raise NotFound for an image that the engine does not have."""

    def look(client: Any) -> None:
        client.api.inspect_image(image)

    await engine.call(look)


async def start(engine: Engine, container: str) -> None:
    """Start a container; raises what `Engine.call` raises."""
    await engine.call(lambda client: client.api.start(container), seconds=START_SECONDS)


async def send(engine: Engine, container: str, signal: str) -> None:
    """Send a signal; one that has ended or gone needs none."""
    try:
        await engine.call(lambda client: client.api.kill(container, signal))
    except (NotFound, Conflict):
        return
    except MlserveError as exc:
        if "is not running" not in exc.message:  # older engines answer 500
            raise


async def remove(engine: Engine, container: str) -> None:
    """End and remove a container with its own volumes; one that is gone needs nothing."""
    try:
        await engine.call(lambda client: client.api.remove_container(container, v=True, force=True))
    except (NotFound, Conflict):  # gone, or being removed by somebody else
        return


async def output(
    engine: Engine, container: str, *, tail: int = KEPT_LINES, since: float | None = None
) -> Sequence[Written]:
    """The last lines that a container wrote."""

    def read(client: Any) -> list[Written]:
        wanted: dict[str, Any] = {"tail": tail} if since is None else {"tail": tail, "since": since}
        return list(written(client.api.logs(container, stream=True, follow=False, timestamps=True, **wanted)))

    try:
        return await engine.call(read)
    except NotFound:
        return ()


def following(container: str, since: float | None = None) -> Callable[[Any], Any]:
    """For `Engine.stream`: what a container writes, as it writes it; from its beginning, or from a time on."""
    wanted = {} if since is None else {"since": since}
    return lambda client: client.api.logs(container, stream=True, follow=True, timestamps=True, **wanted)


async def sockets(engine: Engine, container: str) -> tuple[Socket, ...] | None:
    """Where somebody inside listens; None where that can't be found out, for its image has no ``cat``."""

    def read(client: Any) -> tuple[int, bytes]:
        made = client.api.exec_create(container, ["cat", "/proc/net/tcp", "/proc/net/tcp6"], stderr=False)
        text = client.api.exec_start(made["Id"])
        return int(client.api.exec_inspect(made["Id"])["ExitCode"] or 0), text

    try:
        _, text = await engine.call(read, seconds=10)
    except ResourceUnavailable:
        raise
    except MlserveError:
        return None
    # Without IPv6 the second file is missing, and cat says 1.
    return tuple(sorted({socket for socket, _ in listening(text.decode())})) if b"local_address" in text else None
