"""Fetching from a real S3 service: gone on with where it broke off, and held to what the service says it has."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.s3_kit import (
    KEYS,
    LARGE,
    SMALL,
    WHOLE,
    cache,
    code_of,
    digests,
    no_credentials_around,
    options,
    place,
    proxy,
)
from tests.s3_proxy import Asked, S3Proxy, s3_proxy
from tests.s3_server import s3_client, s3_server
from tests.waiting import until

from mlserve.errors import FetchFailed
from mlserve.storage import Cache, fetch
from mlserve.storage.partial import PIECE
from mlserve.storage.patience import OUTAGE_SECONDS

__all__ = ["cache", "no_credentials_around", "place", "proxy"]


def some_came(folder: Path) -> bool:
    """Whether a fetch has two of its pieces."""
    return any(len(listed.read_text().splitlines()) > 2 for listed in folder.rglob("*.pieces"))


def hold(whether: bool, until: threading.Event) -> None:
    if whether:
        until.wait(30)


def test_an_answer_that_breaks_off_is_gone_on_with_in_the_same_piece(
    place: str, proxy: S3Proxy, tmp_path: Path
) -> None:
    proxy.cut = 2
    assert digests(fetch(place, tmp_path / "d", options=options(proxy))) == WHOLE
    again = [one.range for one in proxy.transfers if one.range and int(one.range[6:].partition("-")[0]) % PIECE]
    assert len(again) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


@pytest.mark.parametrize("cached", [True, False])
def test_another_process_goes_on_where_a_fetch_was_killed(
    place: str, proxy: S3Proxy, tmp_path: Path, cached: bool
) -> None:
    shared = "Cache(Path('cache'))" if cached else "None"
    program = textwrap.dedent(f"""
        from pathlib import Path
        from mlserve.storage import Cache, FetchOptions, fetch
        fetch({place!r}, Path("d"), options=FetchOptions(endpoint={proxy.url!r}, credentials={KEYS!r}, cache={shared}))
    """)
    killed = threading.Event()
    proxy.before = lambda _: hold(len(proxy.transfers) > 5, killed)
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    until(lambda: some_came(tmp_path))
    process.kill()
    process.wait()
    killed.set()
    proxy.before = lambda _: None
    proxy.requests.clear()
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert digests(tmp_path / "d") == WHOLE
    assert len(proxy.transfers) <= 6, "of two small objects and six pieces two were here"
    assert sorted(path.name for path in tmp_path.iterdir()) == (["cache", "d"] if cached else ["d"])


def test_a_server_that_is_killed_midway_and_started_again_only_delays_a_fetch(tmp_path: Path) -> None:
    with s3_server() as server, s3_proxy(server.endpoint) as proxy:
        s3_client(server.endpoint).put_object(Bucket="models", Key="large", Body=LARGE)
        time.sleep(1)  # SeaweedFS keeps its newest names in memory for a moment
        died, coming = threading.Lock(), threading.Thread(target=server.start_again, daemon=True)

        def kill(asked: Asked) -> None:
            if asked.is_transfer and len(proxy.transfers) == 4 and died.acquire(blocking=False):
                server.kill()
                coming.start()

        proxy.before = kill
        wanted = replace(options(proxy), stall_seconds=10)
        found = fetch("s3://models/large", tmp_path / "d", options=wanted)
        assert found.read_bytes() == LARGE
        assert died.locked()
        coming.join(60)  # it answers before the one who waits for it has seen that


def test_a_server_that_is_killed_midway_and_stays_away_ends_a_fetch_within_seconds(tmp_path: Path) -> None:
    with s3_server() as server, s3_proxy(server.endpoint) as proxy:
        s3_client(server.endpoint).put_object(Bucket="models", Key="large", Body=LARGE)

        def kill(asked: Asked) -> None:
            if asked.is_transfer and len(proxy.transfers) > 3:
                until(lambda: some_came(tmp_path))
                server.kill()

        proxy.before = kill
        began = time.monotonic()
        with pytest.raises(FetchFailed) as caught:
            fetch("s3://models/large", tmp_path / "d", options=replace(options(proxy), stall_seconds=3))
        assert time.monotonic() - began < OUTAGE_SECONDS
        assert code_of(caught) in ("unreachable", "broken-off")
        assert not (tmp_path / "d").exists()
        server.start_again()
        proxy.before = lambda _: None
        proxy.requests.clear()
        assert fetch("s3://models/large", tmp_path / "d", options=options(proxy)).read_bytes() == LARGE
        assert len(proxy.transfers) < 6


def in_parts(endpoint: str, key: str, data: bytes, size: int) -> None:
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(multipart_threshold=size, multipart_chunksize=size)
    client = s3_client(endpoint)

    client.upload_fileobj(io.BytesIO(data), "models", key, Config=config)
    assert "-" in client.head_object(Bucket="models", Key=key)["ETag"]


@pytest.mark.parametrize("name", ["large", "small", "parts"])
def test_damaged_bytes_are_fetched_again(
    place: str, proxy: S3Proxy, s3_endpoint: str, tmp_path: Path, name: str
) -> None:
    if name == "parts":
        in_parts(s3_endpoint, f"{tmp_path.name}/parts", LARGE, 6 << 20)
    proxy.damage = 1
    found = fetch(f"{place}/{name}", tmp_path / "d", options=options(proxy))
    assert found.read_bytes() == (SMALL if name == "small" else LARGE)
    assert len({one.range for one in proxy.transfers}) < len(proxy.transfers)


@pytest.mark.parametrize("name", ["large", "small", "parts"])
def test_what_comes_damaged_twice_is_refused_and_not_kept(
    place: str, proxy: S3Proxy, s3_endpoint: str, cache: Cache, tmp_path: Path, name: str
) -> None:
    if name == "parts":
        in_parts(s3_endpoint, f"{tmp_path.name}/parts", LARGE, 6 << 20)
    proxy.damage = -1
    with pytest.raises(FetchFailed, match="came damaged, twice") as caught:
        fetch(f"{place}/{name}", tmp_path / "d", options=options(proxy, cache))
    assert code_of(caught) == "damaged"
    assert not (tmp_path / "d").exists()
    assert cache.usage().files == 0
    proxy.damage = 0
    assert fetch(f"{place}/{name}", tmp_path / "d", options=options(proxy, cache)).stat().st_size > 0


def test_an_object_that_changes_once_is_fetched_as_it_is_then(
    place: str, proxy: S3Proxy, s3_endpoint: str, tmp_path: Path
) -> None:
    other, client = LARGE[::-1], s3_client(s3_endpoint)
    changed = threading.Lock()

    def change(asked: Asked) -> None:
        if asked.range and len(proxy.transfers) > 3 and changed.acquire(blocking=False):
            client.put_object(Bucket="models", Key=asked.key, Body=other)

    proxy.before = change
    assert fetch(f"{place}/large", tmp_path / "d", options=options(proxy)).read_bytes() == other


def test_an_object_that_never_stays_the_same_is_refused(
    place: str, proxy: S3Proxy, s3_endpoint: str, tmp_path: Path
) -> None:
    client, counter = s3_client(s3_endpoint), iter(range(10**6))

    def change(asked: Asked) -> None:
        if asked.is_transfer:
            body = next(counter).to_bytes(8, "big") * (3 * PIECE // 8)
            client.put_object(Bucket="models", Key=asked.key, Body=body)

    proxy.before = change
    with pytest.raises(FetchFailed) as caught:
        fetch(f"{place}/large", tmp_path / "d", options=options(proxy))
    assert code_of(caught) == "changed"
    assert not (tmp_path / "d").exists()
