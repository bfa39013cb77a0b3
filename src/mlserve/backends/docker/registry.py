"""Bring images from a registry to an engine, and send them there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mlserve.backends.base import Say
from mlserve.backends.docker import registry_failures
from mlserve.backends.docker.credentials import credentials
from mlserve.backends.docker.engine import Engine

Event = Mapping[str, Any]


async def pull(engine: Engine, image: str, auth: str, say: Say) -> str:
    """Have an image on the engine, and return its name; raises FetchFailed, InvalidInput, ResourceUnavailable."""
    tell = _from_thread(say)
    await engine.call(lambda client: _pull(client, image, auth, tell), seconds=None)
    return image


async def identify(engine: Engine, image: str) -> str:
    """The id of an image that is on the engine, whatever its name means tomorrow; raises ResourceUnavailable."""
    return await engine.call(lambda client: _id(client, image))


async def push(engine: Engine, image: str, auth: str, say: Say) -> str:
    """Send an image to the registry of its name; returns ``name@sha256:…``. Raises as `pull` does."""
    tell = _from_thread(say)
    return await engine.call(lambda client: _push(client, image, auth, tell), seconds=None)


def _id(client: Any, image: str) -> str:
    return str(client.api.inspect_image(image)["Id"])


def _pull(client: Any, image: str, auth: str, say: Say) -> None:
    from docker.errors import APIError, ImageNotFound

    try:
        client.api.inspect_image(image)
    except ImageNotFound:
        say(f"pulling {image}")
    else:
        return
    known = credentials(client, image, auth)
    try:
        # Never None: the SDK would look for credentials by itself, and fail for those of other registries.
        _follow(client.api.pull(image, stream=True, decode=True, auth_config=known), say)
    except (APIError, _Refused) as exc:
        raise registry_failures.failed("pulled", image, _registry(image), _words(exc), known=bool(known)) from exc


def _push(client: Any, image: str, auth: str, say: Say) -> str:
    from docker.errors import APIError

    known = credentials(client, image, auth)
    repository, _, tag = image.rpartition(":")
    try:
        digest = _follow(client.api.push(repository, tag, stream=True, decode=True, auth_config=known), say)
    except (APIError, _Refused) as exc:
        raise registry_failures.failed("pushed", image, _registry(image), _words(exc), known=bool(known)) from exc
    return f"{repository}@{digest}"


class _Refused(Exception):
    """An error within a stream that began well."""


def _follow(events: Iterable[Event], say: Say) -> str:
    """The digest that the stream names in the end; it is read to its end, which lets go of the connection."""
    digest, said, refused = "", "", ""
    for event in events:
        if "error" in event or "errorDetail" in event:
            refused = str(event.get("error") or event["errorDetail"].get("message"))
            continue
        digest = str((event.get("aux") or {}).get("Digest") or digest)
        line = _line(event)
        if line and line != said:
            said = line
            say(line)
    if refused:
        raise _Refused(refused)
    return digest


def _line(event: Event) -> str:
    """Each step of a layer once; how far it is within a step would be a line every few milliseconds."""
    if event.get("progressDetail"):
        return ""
    return " ".join(filter(None, [str(event.get("id") or ""), str(event.get("status") or "")]))


def _words(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)


def _registry(image: str) -> str:
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def _from_thread(say: Say) -> Callable[[str], None]:
    loop = asyncio.get_running_loop()

    def tell(line: str) -> None:
        loop.call_soon_threadsafe(say, line)

    return tell
