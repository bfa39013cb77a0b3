"""The objects that an address means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mlserve.storage.base import Limits
from mlserve.storage.disk import size_text
from mlserve.storage.failure import failed
from mlserve.storage.names import unsafe
from mlserve.storage.s3.address import Address


@dataclass(frozen=True, slots=True)
class Object:
    """One object as it is now."""

    key: str
    size: int
    etag: str
    name: str
    """Where it goes, relative to the folder."""


def single(client: Any, address: Address) -> Object | None:
    """The one object of exactly this key."""
    from botocore.exceptions import ClientError

    if not address.key or address.key.endswith("/"):
        return None
    try:
        head = client.head_object(Bucket=address.bucket, Key=address.key)
    except ClientError as exc:
        if exc.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        return None
    if why := unsafe(address.name):
        raise failed(str(address), "unsafe", f"its name is {why}", "rename that object")
    return Object(address.key, int(head["ContentLength"]), str(head.get("ETag", "")), address.name)


def below(client: Any, address: Address, limits: Limits) -> list[Object]:
    """All objects below the prefix, each with a name that is safe; raises FetchFailed before there are too many."""
    found: list[Object] = []
    total = 0
    for item in _listed(client, address):
        total += item.size
        if len(found) >= limits.max_files or total > limits.max_bytes:
            why = f"there are more than {len(found)} objects, {size_text(total)}"
            raise failed(str(address), "too-large", why, "name a narrower prefix")
        found.append(item)
    _refuse_clashes(address, found)
    return found


def _listed(client: Any, address: Address) -> Iterator[Object]:
    prefix = address.prefix
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=address.bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            name = item["Key"].removeprefix(prefix)
            if name.endswith("/") or not name:
                continue  # what consoles put there to show an empty folder
            if why := unsafe(name) or ("a path with empty parts" if {"", "."} & set(name.split("/")) else ""):
                raise failed(str(address), "unsafe", f"the key {item['Key'][:200]!r} is {why}", "rename that object")
            yield Object(item["Key"], int(item["Size"]), str(item.get("ETag", "")), name)


def _refuse_clashes(address: Address, objects: list[Object]) -> None:
    names = {item.name for item in objects}
    for item in objects:
        if parent := next((str(p) for p in PurePosixPath(item.name).parents if str(p) in names), None):
            raise failed(str(address), "unsafe", f"{parent!r} is an object and a folder", "rename that object")
