"""``s3://bucket/key`` and ``oss://bucket/key``: an object, or all below a prefix, of any S3-compatible service."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlserve.errors import NoCapacity
from mlserve.storage.archives import is_archive, unpack
from mlserve.storage.base import FetchOptions, Progress
from mlserve.storage.cache import workplace
from mlserve.storage.disk import names_full_disk, require_space
from mlserve.storage.failure import failed
from mlserve.storage.manifest import scan
from mlserve.storage.names import redacted
from mlserve.storage.patience import Patience
from mlserve.storage.s3.address import Address, parse
from mlserve.storage.s3.client import connect
from mlserve.storage.s3.download import Download
from mlserve.storage.s3.explained import WRITING, Changed, explained, is_transient, is_unreachable
from mlserve.storage.s3.listing import Object, below, single
from mlserve.storage.s3.upload import Upload

SCHEMES = ("s3", "oss")


def fetch(uri: str, dest: Path, options: FetchOptions, progress: Progress) -> Path:
    """Download the object, or every object below the prefix; one object that is an archive is unpacked."""
    address = parse(uri)
    with explained(uri, address.bucket) as scene, workplace(options.cache, dest) as cache:
        client, scene.endpoint = connect(address, options)
        patience = Patience(options.tries, options.stall_seconds)
        with closing(client):
            download = Download(client, address, scene.endpoint, cache, dest, options, progress, patience)
            objects = _wanted(client, address, options, patience)
            try:
                _bring(download, objects)
            except Changed:  # once more, as it is now: what has not changed is here already
                before, objects = objects, _wanted(client, address, options, patience)
                for name in {item.name for item in before} - {item.name for item in objects}:
                    (dest / name).unlink(missing_ok=True)
                _bring(download, objects)
        cache.trim()
    return _unpacked(uri, dest, objects, options) if [item.key for item in objects] == [address.key] else dest


def check(uri: str, options: FetchOptions) -> None:
    """See within seconds whether there is something that may be read; raises FetchFailed."""
    address = parse(uri)
    with explained(uri, address.bucket) as scene:
        client, scene.endpoint = connect(address, options)
        with closing(client):
            _patient(Patience(1, options.stall_seconds), lambda: _require_some(client, address))


def mark(uri: str, options: FetchOptions) -> str:
    """Keys, sizes and ETags of the objects, in one word."""
    address = parse(uri)
    with explained(uri, address.bucket) as scene:
        client, scene.endpoint = connect(address, options)
        with closing(client):
            objects = _wanted(client, address, options, Patience(1, options.stall_seconds))
    told = sorted((item.key, item.size, item.etag) for item in objects)
    return f"etag:{hashlib.sha256(json.dumps(told).encode()).hexdigest()}"


def put(path: Path, uri: str, options: FetchOptions, progress: Progress) -> str:
    """Write a file, or all files of a folder, there; the address by which they are fetched again.

    A key that ends in ``/`` (or none) is a folder that the file goes into. An upload that broke off is gone on with.
    """
    address = parse(uri)
    sources = scan(path)
    if path.is_dir():
        files = [(address.below(source.path).key, source) for source in sources]
        result = replace(address, key=address.prefix)
    else:
        into = not address.key or address.key.endswith("/")
        result = address.below(path.name) if into else address
        files = [(result.key, sources[0])]
    with explained(uri, address.bucket, WRITING) as scene:
        client, scene.endpoint = connect(address, options)
        with closing(client):
            Upload(client, address.bucket, progress, Patience(options.tries, options.stall_seconds)).run(files)
    return str(result)


def _require_some(client: Any, address: Address) -> None:
    if single(client, address):
        return
    page = client.list_objects_v2(Bucket=address.bucket, Prefix=address.prefix, MaxKeys=1)
    if not page.get("Contents"):
        raise _nothing(client, address)


def _wanted(client: Any, address: Address, options: FetchOptions, patience: Patience) -> list[Object]:
    def look() -> list[Object]:
        one = single(client, address)
        found = [one] if one else below(client, address, options.limits)
        if not found:
            raise _nothing(client, address)
        return found

    objects: list[Object] = _patient(patience, look)
    if sum(item.size for item in objects) > options.limits.max_bytes:
        raise failed(str(address), "too-large", "it is larger than allowed", "name a narrower prefix")
    return objects


def _nothing(client: Any, address: Address) -> Exception:
    client.head_bucket(Bucket=address.bucket)
    why = f"no object and no prefix {address.key!r} in bucket {address.bucket}"
    return failed(str(address), "missing", why, "check the path")


def _bring(download: Download, objects: Sequence[Object]) -> None:
    cache, name = download.cache, redacted(str(download.address))
    to_come = download.to_come(objects)
    copies = 0 if download.options.linked or not cache.keeps else sum(item.size for item in objects)
    if cache.keeps:
        cache.trim(room=to_come + copies)
    require_space(download.dest, to_come + copies, name)
    try:
        with names_full_disk(name, cache.root):
            download.run(objects)
    except NoCapacity:
        download.forget(objects)
        raise


def _patient(patience: Patience, ask: Any) -> Any:
    return patience.each(ask, lambda exc: (is_transient(exc), is_unreachable(exc)))


def _unpacked(uri: str, dest: Path, objects: Sequence[Object], options: FetchOptions) -> Path:
    file = dest / objects[0].name
    if not is_archive(file.name):
        return file
    packed = file.rename(dest.with_name(f"{dest.name}.packed"))
    try:
        unpack(packed, dest, options.limits, name=redacted(uri))
    finally:
        packed.unlink()
    return dest
