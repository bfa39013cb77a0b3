"""The images of this hub on an engine: found, named and cleared away by their labels; nobody else's is touched."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from mlserve.images.recipe import DIGEST, FOUNDATION, HUB, SERVICE, Image

REPOSITORY = "mlserve"
"""What the names begin with that images get from us; other names are their owner's."""
FOUNDATIONS = f"{REPOSITORY}/foundation"
FOUNDATIONS_KEPT = 30 * 24 * 3600.0
"""Seconds that a foundation stays on which no image stands: it takes a while to build, and is shared."""


def id_of(client: Any, image: str) -> str:
    """The id of an image that is there."""
    return str(client.api.inspect_image(image)["Id"])


def with_label(client: Any, hub: str, label: str, value: str) -> str | None:
    """The id of an image of ours with this label."""
    found = _listed(client, f"{HUB}={hub}", f"{label}={value}")
    return str(found[0]["Id"]) if found else None


def foundation(client: Any, hub: str, key: str) -> str | None:
    """The name of a foundation."""
    listed = _listed(client, f"{HUB}={hub}", f"{FOUNDATION}={key}")
    bare = [image for image in listed if not _label(image, DIGEST)]  # what stands on it has its labels, too
    return next((tag for image in bare for tag in _tags(image) if tag.startswith(f"{FOUNDATIONS}:")), None)


def named(client: Any, hub: str, image: str, tag: str, *, reused: bool) -> Image:
    """Give an image its tag. A name of ours that another hub's image has stays with that."""
    repository, _, version = tag.rpartition(":")
    if repository.startswith(f"{REPOSITORY}/") and _owner(client, tag) not in (None, hub):
        version = f"{version}-{hub[:8]}"
    client.api.tag(image, repository, version)
    told = client.api.inspect_image(image)
    layers = len((told.get("RootFS") or {}).get("Layers") or ())
    return Image(f"{repository}:{version}", str(told["Id"]), int(told.get("Size") or 0), layers, reused)


def remove_of(client: Any, hub: str, service: str) -> bool:
    """Take the names away that images of a deleted service got from us; what has no other name goes.

    Whether all of them went: an image stays as long as a container stands on it.
    """
    prefix = f"{REPOSITORY}/{service}:"
    listed = _listed(client, f"{HUB}={hub}", f"{SERVICE}={service}")
    tags = [tag for image in listed for tag in _tags(image) if tag.startswith(prefix)]
    gone = [_remove(client, tag) for tag in tags]
    return all(gone)


def clear_leftovers(client: Any, hub: str) -> bool:
    """Remove what failed builds left, and foundations on which no image has stood for long.

    Whether all of it went: what a step of a build still runs on stays.
    """
    left = [_remove(client, str(image["Id"])) for image in _listed(client, f"{HUB}={hub}", dangling=True)]
    named = [image for image in _listed(client, f"{HUB}={hub}") if _tags(image)]
    in_use = {_label(image, FOUNDATION) for image in named if _label(image, DIGEST)}
    for image in named:
        old = time.time() - float(image.get("Created") or 0) > FOUNDATIONS_KEPT
        if old and not _label(image, DIGEST) and _label(image, FOUNDATION) not in in_use:
            _remove(client, str(image["Id"]))
    return all(left)


def _owner(client: Any, tag: str) -> str | None:
    from docker.errors import ImageNotFound

    try:
        config = client.api.inspect_image(tag).get("Config") or {}
    except ImageNotFound:
        return None
    return str((config.get("Labels") or {}).get(HUB, ""))


def _listed(client: Any, *labels: str, dangling: bool = False) -> list[dict[str, Any]]:
    filters: dict[str, Any] = {"label": list(labels), **({"dangling": True} if dangling else {})}
    found: Iterable[dict[str, Any]] = client.api.images(filters=filters)
    return list(found)


def _tags(image: dict[str, Any]) -> list[str]:
    return [str(tag) for tag in image.get("RepoTags") or () if tag != "<none>:<none>"]


def _label(image: dict[str, Any], name: str) -> str:
    return str((image.get("Labels") or {}).get(name, ""))


def _remove(client: Any, image: str) -> bool:
    """Whether it is gone; an image that a container uses, or another image stands on, stays until that is gone."""
    from docker.errors import APIError, ImageNotFound

    try:
        client.api.remove_image(image)
    except ImageNotFound:
        return True
    except APIError as exc:
        if exc.status_code != 409:
            raise
        return False
    return True
