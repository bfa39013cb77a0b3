"""``s3://bucket/key`` and ``oss://bucket/key``: an object, or all below a prefix, of any S3-compatible service."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlserve.errors import FetchFailed
from mlserve.storage.archives import is_archive, unpack
from mlserve.storage.base import FetchOptions, Progress
from mlserve.storage.disk import require_space
from mlserve.storage.failure import failed
from mlserve.storage.names import redacted, unsafe

SCHEMES = ("s3", "oss")

_WORKERS = 8


@dataclass(frozen=True, slots=True)
class _Object:
    key: str
    size: int
    name: str
    """Where it goes, relative to the folder."""


def fetch(uri: str, dest: Path, options: FetchOptions, progress: Progress) -> Path:
    """Download the object, or every object below the prefix; one object that is an archive is unpacked."""
    parts = urlsplit(uri)
    bucket, key = parts.netloc.rpartition("@")[2].partition(".oss-")[0], unquote(parts.path.lstrip("/"))
    if not bucket:
        raise failed(uri, "invalid", "it names no bucket", f"write {parts.scheme}://bucket/path")
    with _explained(uri, bucket):
        client = _client(uri, options)
        single = _single(client, bucket, key)
        objects = [single] if single else list(_below(client, uri, bucket, key))
        if not objects:
            client.head_bucket(Bucket=bucket)
            raise failed(uri, "missing", f"no object and no prefix {key!r} in bucket {bucket}", "check the path")
        _check(uri, objects, dest, options)
        _download(client, bucket, objects, dest, progress)
    if not single:
        return dest
    file = dest / single.name
    if not is_archive(single.name):
        return file
    packed = file.rename(dest.with_name(f"{dest.name}.part"))
    try:
        unpack(packed, dest, options.limits, name=redacted(uri))
    finally:
        packed.unlink()
    return dest


def _client(uri: str, options: FetchOptions) -> Any:
    import boto3
    from botocore.config import Config

    given = {**os.environ, **options.credentials}
    oss = uri.startswith("oss:")
    endpoint = options.endpoint or (given.get("OSS_ENDPOINT") if oss else None)
    endpoint = endpoint or given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL")
    if oss and not endpoint:
        raise failed(uri, "invalid", "no endpoint is known", 'set "oss_endpoint" in the descriptor, or OSS_ENDPOINT')
    if endpoint and "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    config = Config(
        connect_timeout=min(options.connect_seconds, 5.0),
        read_timeout=options.stall_seconds,
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=2 * _WORKERS,
        s3={"addressing_style": "path" if endpoint and "aliyuncs.com" not in endpoint else "virtual"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = boto3.Session(**_login(given, options.credentials, oss))
    return session.client("s3", endpoint_url=endpoint, config=config, region_name=session.region_name or "us-east-1")


def _login(given: Mapping[str, str], credentials: Mapping[str, str], oss: bool) -> dict[str, Any]:
    """Keys for the session; empty: boto3 looks where it always looks (environment, profile, machine role)."""
    if oss and given.get("OSS_ACCESS_KEY_ID"):
        return {
            "aws_access_key_id": given["OSS_ACCESS_KEY_ID"],
            "aws_secret_access_key": given.get("OSS_ACCESS_KEY_SECRET", ""),
            "aws_session_token": given.get("OSS_SESSION_TOKEN"),
        }
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    keys = {name: credentials[name.upper()] for name in names if name.upper() in credentials}
    rest = {"profile_name": credentials.get("AWS_PROFILE"), "region_name": credentials.get("AWS_REGION")}
    return {**keys, **{name: value for name, value in rest.items() if value}}


def _single(client: Any, bucket: str, key: str) -> _Object | None:
    from botocore.exceptions import ClientError

    if not key or key.endswith("/"):
        return None
    try:
        head = client.head_object(Bucket=bucket, Key=key)
    except ClientError as exc:
        if exc.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        return None
    return _Object(key, int(head["ContentLength"]), key.rpartition("/")[2])


def _below(client: Any, uri: str, bucket: str, key: str) -> Iterator[_Object]:
    prefix = f"{key.rstrip('/')}/" if key else ""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            name = item["Key"].removeprefix(prefix)
            if name.endswith("/") or not name:
                continue  # what consoles put there to show an empty folder
            if why := unsafe(name):
                raise failed(uri, "unsafe", f"the key {item['Key'][:200]!r} is {why}", "rename that object")
            yield _Object(item["Key"], int(item["Size"]), name)


def _check(uri: str, objects: list[_Object], dest: Path, options: FetchOptions) -> None:
    total, names = sum(item.size for item in objects), {item.name for item in objects}
    if len(objects) > options.limits.max_files or total > options.limits.max_bytes:
        raise failed(uri, "too-large", f"{len(objects)} objects of {total} bytes", "name a narrower prefix")
    for item in objects:
        if parent := next((str(p) for p in Path(item.name).parents if str(p) in names), None):
            raise failed(uri, "unsafe", f"{parent!r} is an object and a folder", "rename that object")
    require_space(dest, total, redacted(uri))


def _download(client: Any, bucket: str, objects: list[_Object], dest: Path, progress: Progress) -> None:
    total, done, lock = sum(item.size for item in objects), 0, threading.Lock()

    def came(size: int) -> None:
        nonlocal done
        with lock:
            done += size
            progress(done, total)

    def one(item: _Object) -> None:
        place = dest / item.name
        place.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, item.key, str(place), Callback=came)
        if (size := place.stat().st_size) != item.size:
            raise _Changed(f"{item.key} had {item.size} bytes, {size} came")

    with ThreadPoolExecutor(_WORKERS) as pool:
        for _ in pool.map(one, objects):
            pass


class _Changed(Exception):
    """An object was written over while it was read."""


@contextmanager
def _explained(uri: str, bucket: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as exc:
        raise _refused(uri, bucket, exc.response) from None
    except _Changed as exc:
        raise failed(uri, "changed", str(exc), "try again once nobody writes there") from exc
    except (BotoCoreError, Boto3Error) as exc:
        raise _unsent(uri, exc) from None


def _refused(uri: str, bucket: str, response: Mapping[str, Any]) -> FetchFailed:
    code, status = str(response["Error"].get("Code", "")), response["ResponseMetadata"]["HTTPStatusCode"]
    if code == "NoSuchBucket" or (status == 404 and code != "NoSuchKey"):
        return failed(uri, "missing-bucket", f"there is no bucket {bucket!r}", "check its name and the endpoint")
    if code == "NoSuchKey":
        return failed(uri, "missing", "there is no such object", "check the path")
    if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"):
        return failed(uri, "denied", f"the credentials are not accepted ({code})", "check access key, secret and clock")
    if status in (401, 403):
        why = f"access is denied ({code}); without the right to list, a missing object looks the same"
        return failed(uri, "denied", why, f"allow s3:GetObject and s3:ListBucket on {bucket}")
    if status in (301, 307, 400) and "region" in str(response["Error"].get("Message", "")).lower():
        return failed(uri, "region", "the bucket is in another region", "set AWS_REGION, or the endpoint of its region")
    return failed(uri, "server", f"the service answered {code or status}", "try again later")


def _unsent(uri: str, exc: Exception) -> FetchFailed:
    kind = type(exc).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) where the hub runs"
        return failed(uri, "no-credentials", "no credentials were found", hint)
    if kind == "ProfileNotFound":
        return failed(uri, "no-credentials", str(exc), "check AWS_PROFILE where the hub runs")
    if kind == "SSLError":
        return failed(uri, "tls", "no safe connection", "AWS_CA_BUNDLE may name the authority's file")
    if kind in ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionError", "ProxyConnectionError"):
        return failed(uri, "unreachable", "the endpoint does not answer", "check its name, the network and proxy")
    if "Timeout" in kind or kind in ("ConnectionClosedError", "IncompleteReadError", "ResponseStreamingError"):
        return failed(uri, "broken-off", "the connection broke off", "try again")
    return failed(uri, "s3", f"{kind}: {exc}".partition("?")[0], "check the address and the endpoint")
