"""What a caller may call the model besides its own name: requests of a group or of another service come to it, too."""

from __future__ import annotations

from collections.abc import Mapping

from mlserve.runtime.protocols.base import Model


def also_known_as(headers: Mapping[bytes, bytes]) -> str:
    """The name that the caller knows the model by: that of its group, or of a service that it answers for.

    The gateway says so with each request.
    """
    return headers.get(b"x-forwarded-prefix", b"").rpartition(b"/")[2].partition(b"@")[0].decode("latin-1")


def own_path(path: str, headers: Mapping[bytes, bytes], model: Model) -> str:
    """A path of the model by its own name, where another one was meant for it."""
    name = also_known_as(headers)
    for start in ("/v2/models/", "/v1/models/", "/v2/repository/models/"):
        rest = path.removeprefix(f"{start}{name}")
        if name and rest != path and rest[:1] in ("", "/", ":"):
            return f"{start}{model.service}{rest}"
    return path
