"""The images of this hub on an engine: found, named and cleared away by their labels; nobody else's is touched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlserve.images.recipe import DIGEST, HUB, SERVICE, STAGE, Image

REPOSITORY = "mlserve"
"""What the names begin with that images get from us; other names are their owner's."""


def of_content(client: Any, hub: str, content: str) -> str | None:
    """The id of an image with this digest."""
    found = _listed(client, f"{HUB}={hub}", f"{DIGEST}={content}")
    return str(found[0]["Id"]) if found else None


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
    tags = [tag for image in listed for tag in image.get("RepoTags") or () if tag.startswith(prefix)]
    gone = [_remove(client, tag) for tag in tags]
    return all(gone)


def clear_leftovers(client: Any, hub: str) -> None:
    """Remove what failed builds left, and the packages that no image of ours stands on any more."""
    unnamed = _listed(client, f"{HUB}={hub}", dangling=True)
    in_use = {_label(image, STAGE) for image in _listed(client, f"{HUB}={hub}") if image.get("RepoTags")}
    for image in unnamed:
        if not _label(image, STAGE) or _label(image, STAGE) not in in_use:
            _remove(client, str(image["Id"]))


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
