"""What was fetched from a real S3 service is kept for the next time, and a disk that fills up is told."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.s3_kit import (
    LARGE,
    SMALL,
    WHOLE,
    cache,
    digests,
    no_credentials_around,
    options,
    place,
    proxy,
)
from tests.s3_proxy import Asked, S3Proxy
from tests.s3_server import s3_client

from mlserve.errors import NoCapacity
from mlserve.storage import Cache, fetch

__all__ = ["cache", "no_credentials_around", "place", "proxy"]


def test_what_was_fetched_before_is_not_transferred_again(
    place: str, proxy: S3Proxy, cache: Cache, tmp_path: Path
) -> None:
    fetch(place, tmp_path / "a", options=options(proxy, cache))
    proxy.requests.clear()
    seen: list[tuple[int, int | None]] = []
    found = fetch(place, tmp_path / "b", options=options(proxy, cache), progress=lambda *now: seen.append(now))
    assert digests(found) == WHOLE
    assert [one.method for one in proxy.requests] == ["HEAD", "GET"], "is it an object, else a listing"
    assert proxy.transfers == []
    total = sum(map(len, (LARGE, SMALL, SMALL[:-1])))
    assert seen == [(total, total)]


def test_a_changed_object_is_transferred_and_the_others_are_not(
    place: str, proxy: S3Proxy, cache: Cache, s3_endpoint: str, tmp_path: Path
) -> None:
    fetch(place, tmp_path / "a", options=options(proxy, cache))
    s3_client(s3_endpoint).put_object(Bucket="models", Key=f"{tmp_path.name}/small", Body=SMALL[::-1])
    proxy.requests.clear()
    found = fetch(place, tmp_path / "b", options=options(proxy, cache))
    assert (found / "small").read_bytes() == SMALL[::-1]
    assert [one.key for one in proxy.transfers] == [f"{tmp_path.name}/small"]


def test_the_cache_drops_what_was_used_longest_ago(place: str, proxy: S3Proxy, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", bound=150_000)
    loose = replace(options(proxy, cache), linked=False)
    fetch(f"{place}/small", tmp_path / "a", options=loose)
    fetch(f"{place}/deep/small", tmp_path / "b", options=loose)
    assert cache.usage().size == len(SMALL) - 1
    proxy.requests.clear()
    fetch(f"{place}/deep/small", tmp_path / "c", options=loose)
    assert proxy.transfers == []
    fetch(f"{place}/small", tmp_path / "d", options=loose)
    assert len(proxy.transfers) == 1


def test_what_somebody_writes_to_the_result_does_not_reach_the_cache(
    place: str, proxy: S3Proxy, cache: Cache, tmp_path: Path
) -> None:
    loose = replace(options(proxy, cache), linked=False)
    fetch(f"{place}/small", tmp_path / "a", options=loose).write_bytes(b"scribble")
    assert fetch(f"{place}/small", tmp_path / "b", options=loose).read_bytes() == SMALL


def test_several_at_once_transfer_each_byte_once(place: str, proxy: S3Proxy, cache: Cache, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def one(number: int) -> None:
        try:
            assert digests(fetch(place, tmp_path / f"d{number}", options=options(proxy, cache))) == WHOLE
        except BaseException as exc:  # noqa: BLE001 - told by the test
            failures.append(exc)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    asked = [(one.key, one.range) for one in proxy.transfers]
    assert len(asked) == len(set(asked)) == 8


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs root, to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_too_little_room_is_told_before_anything_is_transferred(place: str, proxy: S3Proxy, small_disk: Path) -> None:
    with pytest.raises(NoCapacity, match=r"it needs 42\.1 MB, 2\d\.\d MB are free"):
        fetch(place, small_disk / "d", options=options(proxy, Cache(small_disk / "cache")))
    assert [one.key for one in proxy.transfers] == []


def test_a_disk_that_fills_up_meanwhile_is_named_and_given_back(place: str, proxy: S3Proxy, small_disk: Path) -> None:
    cache = Cache(small_disk / "cache")

    def fill(asked: Asked) -> None:
        if asked.is_transfer:
            left = os.statvfs(small_disk).f_bavail * 4096 - 50_000
            (small_disk / "other").write_bytes(bytes(max(left, 0)))

    proxy.before = fill
    with pytest.raises(NoCapacity):
        fetch(f"{place}/small", small_disk / "d", options=options(proxy, cache))
    proxy.before = lambda _: None
    (small_disk / "other").unlink()
    used = sum(file.stat().st_size for file in small_disk.rglob("*") if file.is_file())
    assert used < 1000, "what was written is gone"
    assert fetch(f"{place}/small", small_disk / "d", options=options(proxy, cache)).read_bytes() == SMALL


def test_the_cache_gives_way_where_there_is_no_other_room(
    place: str, proxy: S3Proxy, small_disk: Path, s3_endpoint: str
) -> None:
    client, prefix = s3_client(s3_endpoint), place.rpartition("/")[2]
    for name in ("x", "y"):
        client.put_object(Bucket="models", Key=f"{prefix}/two/{name}", Body=LARGE[: 14 << 20])
    cache = Cache(small_disk / "cache")
    fetch(f"{place}/two/x", small_disk / "d", options=options(proxy, cache)).unlink()
    assert fetch(f"{place}/two/y", small_disk / "e", options=options(proxy, cache)).stat().st_size == 14 << 20
    assert cache.usage().files == 1
