"""Put files where descriptors can name them: into the hub's content store, or by it into a bucket."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlserve.client.uploads import Uploaded, send
from mlserve.errors import InvalidInput, from_problem
from mlserve.management import Management

_POLL_SECONDS = 0.2

Told = Callable[[str], None]
"""Told how far the hub's own transfer is, in a few words."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Files that a descriptor can name by ``address``. ``kept_until``: empty where nobody takes them away."""

    address: str
    digest: str
    size: int
    kept_until: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def upload(
    management: Management,
    path: str | os.PathLike[str],
    address: str = "",
    *,
    resource: str = "",
    endpoint: str = "",
    on_upload: Uploaded | None = None,
    on_progress: Told | None = None,
) -> Stored:
    """Send a file or folder to the hub, and from there to ``address`` where one is given."""
    if address and "://" not in address:
        raise InvalidInput(f"{address} is no address of a bucket", hint="write s3://bucket/path or oss://bucket/path")
    place = Path(os.path.abspath(os.path.expanduser(path)))
    if not place.exists():
        raise InvalidInput(f"there is no {place}", hint="name a file or a folder of this machine")
    content = send(management, place, on_upload)
    kept = {"digest": str(content["digest"]), "name": str(content["name"])}
    size = int(content.get("size") or 0)
    if not address:
        answer = management.post("/v1/uploads/kept", kept)
        return Stored(str(answer["address"]), kept["digest"], size, str(answer["kept_until"]))
    wanted = {**kept, "address": address, "resource": resource, "endpoint": endpoint}
    done = _followed(management, management.post("/v1/uploads", wanted), on_progress)
    return Stored(str(done["address"]), kept["digest"], size)


def _followed(management: Management, now: Mapping[str, Any], on_progress: Told | None) -> Mapping[str, Any]:
    while now["state"] == "running":
        if on_progress and now["detail"]:
            on_progress(str(now["detail"]))
        time.sleep(_POLL_SECONDS)
        now = management.get(f"/v1/uploads/{now['id']}")
    if now["state"] == "failed":
        raise from_problem(dict(now["error"]))
    return now
