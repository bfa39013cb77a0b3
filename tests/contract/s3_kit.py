"""What tests of a real S3 service share: objects in it, and something between that breaks, damages and counts."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.s3_proxy import S3Proxy, s3_proxy
from tests.s3_server import s3_client

from mlserve.errors import FetchFailed
from mlserve.storage import Cache, FetchOptions
from mlserve.storage.partial import PIECE

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
LARGE = random.Random(4).randbytes(5 * PIECE + 17)
SMALL = random.Random(5).randbytes(100_000)


@pytest.fixture(autouse=True)
def no_credentials_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "OSS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[S3Proxy]:
    with s3_proxy(s3_endpoint) as proxy:
        yield proxy


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def place(s3_endpoint: str, tmp_path: Path) -> str:
    """A prefix of this test's own with a large and two small objects; the large one uploaded in one go."""
    client, prefix = s3_client(s3_endpoint), tmp_path.name
    for name, data in {"large": LARGE, "small": SMALL, "deep/small": SMALL[:-1]}.items():
        client.put_object(Bucket="models", Key=f"{prefix}/{name}", Body=data)
    return f"s3://models/{prefix}"


def options(proxy: S3Proxy, cache: Cache | None = None) -> FetchOptions:
    return FetchOptions(
        endpoint=proxy.url, credentials=KEYS, connect_seconds=5, stall_seconds=8, cache=cache, linked=True
    )


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


WHOLE = {
    name: hashlib.md5(data).hexdigest()
    for name, data in {"large": LARGE, "small": SMALL, "deep/small": SMALL[:-1]}.items()
}


def code_of(caught: pytest.ExceptionInfo[FetchFailed]) -> str:
    return str(caught.value.details[0]["code"])
