"""Fetching from and writing to a real S3 service, with something between that breaks, damages and counts."""

from __future__ import annotations

import hashlib
import http.server
import io
import logging
import os
import random
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.s3_proxy import Asked, S3Proxy, s3_proxy
from tests.s3_server import free_ports, s3_client, s3_server

from mlserve.errors import FetchFailed, InvalidInput, NoCapacity
from mlserve.storage import Cache, FetchOptions, check, fetch, put
from mlserve.storage.partial import PIECE
from mlserve.storage.patience import OUTAGE_SECONDS

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


def some_came(folder: Path) -> bool:
    """Whether a fetch has two of its pieces."""
    return any(len(listed.read_text().splitlines()) > 2 for listed in folder.rglob("*.pieces"))


def hold(whether: bool, until: threading.Event) -> None:
    if whether:
        until.wait(30)


WHOLE = {
    name: hashlib.md5(data).hexdigest()
    for name, data in {"large": LARGE, "small": SMALL, "deep/small": SMALL[:-1]}.items()
}


def code_of(caught: pytest.ExceptionInfo[FetchFailed]) -> str:
    return str(caught.value.details[0]["code"])


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- resuming --------------------------------------------------------------------------------------------------------


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
        died = threading.Lock()

        def kill(asked: Asked) -> None:
            if asked.is_transfer and len(proxy.transfers) == 4 and died.acquire(blocking=False):
                server.kill()
                threading.Thread(target=server.start_again, daemon=True).start()

        proxy.before = kill
        wanted = replace(options(proxy), stall_seconds=10)
        found = fetch("s3://models/large", tmp_path / "d", options=wanted)
        assert found.read_bytes() == LARGE
        assert died.locked()


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


# --- checking --------------------------------------------------------------------------------------------------------


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


# --- the cache -------------------------------------------------------------------------------------------------------


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


# --- a full disk -----------------------------------------------------------------------------------------------------


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


# --- what can be told before -----------------------------------------------------------------------------------------


def silent_endpoint() -> Iterator[str]:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


@pytest.mark.parametrize(
    "ask", [check, lambda uri, options: fetch(uri, Path("never"), options=replace(options, stall_seconds=4))]
)
def test_reasons_are_told_apart_within_seconds(
    place: str, proxy: S3Proxy, s3_endpoint: str, ask: Callable[..., object]
) -> None:
    silent = silent_endpoint()
    good, poor, wrong = KEYS, {**KEYS, "AWS_ACCESS_KEY_ID": "poor"}, {**KEYS, "AWS_SECRET_ACCESS_KEY": "hush"}
    closed = f"http://127.0.0.1:{free_ports(1)[0]}"
    cases = [
        (f"{place}/absent", s3_endpoint, good, "missing"),
        (f"{place}/absent/", s3_endpoint, good, "missing"),
        ("s3://models/mall", s3_endpoint, good, "missing"),
        ("s3://no-such-bucket-here/m", s3_endpoint, good, "missing-bucket"),
        (f"{place}/small", s3_endpoint, {}, "no-credentials"),
        (f"{place}/small", s3_endpoint, poor, "denied"),
        (place, s3_endpoint, poor, "denied"),
        (f"{place}/small", s3_endpoint, wrong, "denied"),
        (f"{place}/small", closed, good, "unreachable"),
        (f"{place}/small", next(silent), good, "unreachable"),
        (f"{place}/small", "https://no-such-host.invalid", good, "unreachable"),
        (f"{place}/small", proxy.url.replace("http:", "https:"), good, "tls"),
        ("s3://u:hush@models/m", s3_endpoint, good, "invalid"),
    ]
    for uri, endpoint, credentials, code in cases:
        began = time.monotonic()
        with pytest.raises(FetchFailed) as caught:
            ask(uri, FetchOptions(endpoint=endpoint, credentials=credentials))
        assert code_of(caught) == code, (uri, endpoint, caught.value)
        assert time.monotonic() - began < 15
        assert "hush" not in str(caught.value.to_dict())


def test_what_is_there_passes_the_check(place: str, proxy: S3Proxy) -> None:
    for uri in (place, f"{place}/", f"{place}/small", "s3://models"):
        check(uri, options(proxy))
    assert proxy.transfers == []


def test_no_secret_comes_into_a_log_or_an_error(
    place: str, s3_endpoint: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-environment")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hush-token")
    caplog.set_level(logging.DEBUG)
    told = []
    for uri, given in [
        (f"{place}/small", FetchOptions(endpoint=s3_endpoint)),
        (f"{place}/small", FetchOptions(endpoint=s3_endpoint, credentials={**KEYS, "AWS_SESSION_TOKEN": "hush-group"})),
        ("s3://me:hush-address@models/small", FetchOptions(endpoint=s3_endpoint)),
        (f"{place}/small", FetchOptions(endpoint="http://me:hush-endpoint@127.0.0.1:1", credentials=KEYS)),
        ("http://me:hush-login@127.0.0.1:1/x?token=hush-query", FetchOptions()),
        ("git+http://me:hush-git@127.0.0.1:1/x.git", FetchOptions()),
    ]:
        with pytest.raises(FetchFailed) as caught:
            fetch(uri, tmp_path / "d", options=given)
        told.append(str(caught.value.to_dict()))
    assert "hush" not in "\n".join([*told, caplog.text])


# --- many and odd objects --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_more_objects_than_a_service_lists_at_once_come_whole(s3_endpoint: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number in range(1050):  # it lists a thousand
        file = source / f"{number % 50:02}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number))
    straight = FetchOptions(endpoint=s3_endpoint, credentials=KEYS)
    address = put(source, f"s3://models/{tmp_path.name}", options=straight)
    assert digests(fetch(address, tmp_path / "d", options=straight)) == digests(source)
    with pytest.raises(FetchFailed, match="more than 100 objects"):
        fetch(address, tmp_path / "e", options=replace(straight, limits=replace(straight.limits, max_files=100)))


def listing(*keys: str) -> bytes:
    from xml.sax.saxutils import escape

    items = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>1</Size><ETag>&quot;x&quot;</ETag></Contents>" for key in keys
    )
    return f'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>'.encode()


@pytest.mark.parametrize(
    "key", ["m/../../etc/cron.d/x", "m//etc/passwd", "m/a/./b", "m/a//b", "m/..", "m/" + "x" * 300, "m/a\\..\\..\\b"]
)
def test_a_hostile_key_is_refused_before_anything_is_written(key: str, tmp_path: Path) -> None:
    class Hostile(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if self.command == "HEAD" else 200)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(listing("m/good", key))

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Not into the tests' output."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        hostile = FetchOptions(endpoint=f"http://127.0.0.1:{server.server_port}", credentials=KEYS)
        with pytest.raises(FetchFailed) as caught:
            fetch("s3://models/m", tmp_path / "d", options=hostile)
        server.shutdown()
    assert code_of(caught) == "unsafe"
    assert list(tmp_path.iterdir()) == []


def test_odd_keys_are_fetched_as_they_are_called(s3_endpoint: str, tmp_path: Path) -> None:
    client = s3_client(s3_endpoint)
    names = [
        "sp ace",
        "plus+",
        "per%41cent",
        "ümlaut",
        "quest?ion",
        "ha#sh",
        "am&p",
        "quo'te",
        "new\u2028line",
        ".hidden",
    ]
    for name in names:
        client.put_object(Bucket="models", Key=f"{tmp_path.name}/{name}", Body=name.encode())
    client.put_object(Bucket="models", Key=f"{tmp_path.name}/folder/", Body=b"")
    wanted = FetchOptions(endpoint=s3_endpoint, credentials=KEYS)
    found = fetch(f"s3://models/{tmp_path.name}", tmp_path / "d", options=wanted)
    assert {path.name: path.read_bytes().decode() for path in found.iterdir()} == {name: name for name in names}


def test_an_empty_object_is_a_file_too(s3_endpoint: str, tmp_path: Path) -> None:
    s3_client(s3_endpoint).put_object(Bucket="models", Key=f"{tmp_path.name}/empty", Body=b"")
    wanted = FetchOptions(endpoint=s3_endpoint, credentials=KEYS)
    assert fetch(f"s3://models/{tmp_path.name}/empty", tmp_path / "d", options=wanted).read_bytes() == b""


def test_the_endpoint_may_be_in_the_address(place: str, s3_endpoint: str, tmp_path: Path) -> None:
    host = s3_endpoint.removeprefix("http://")
    key = place.removeprefix("s3://models/")
    oss = {"OSS_ACCESS_KEY_ID": "key", "OSS_ACCESS_KEY_SECRET": "secret"}
    addresses = {
        f"oss://models.{host}/{key}/small": oss,
        f"s3://{host}/models/{key}/small": KEYS,
        f"s3://{s3_endpoint}/models/{key}/small": KEYS,
    }
    for number, (address, credentials) in enumerate(addresses.items()):
        wanted = FetchOptions(endpoint="http://127.0.0.1:1", credentials=credentials)
        assert fetch(address, tmp_path / str(number), options=wanted).read_bytes() == SMALL


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_folder_comes_back_as_it_was_written(proxy: S3Proxy, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "large").write_bytes(LARGE)
    (source / "deep" / "sm all").write_bytes(SMALL)
    (source / "empty").touch()
    address = put(source, f"s3://models/{tmp_path.name}/m", options=options(proxy))
    assert address == f"s3://models/{tmp_path.name}/m/"
    assert digests(fetch(address, tmp_path / "d", options=options(proxy))) == digests(source)
    proxy.requests.clear()
    put(source, address, options=options(proxy))
    assert {one.method for one in proxy.requests} == {"HEAD"}, "what is there already is not sent again"


def test_a_file_goes_into_a_folder_or_under_a_name(proxy: S3Proxy, tmp_path: Path) -> None:
    file = tmp_path / "my model.bin"
    file.write_bytes(SMALL)
    into = put(file, f"s3://models/{tmp_path.name}/", options=options(proxy))
    named = put(file, f"s3://models/{tmp_path.name}/other.bin", options=options(proxy))
    assert into == f"s3://models/{tmp_path.name}/my%20model.bin"
    assert named == f"s3://models/{tmp_path.name}/other.bin"
    assert fetch(into, tmp_path / "d", options=options(proxy)).read_bytes() == SMALL


def test_an_upload_that_broke_off_is_gone_on_with(proxy: S3Proxy, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(LARGE)

    def refuse(asked: Asked) -> None:
        if "partNumber=4" in asked.query:
            raise ConnectionAbortedError

    proxy.before = refuse
    with pytest.raises(FetchFailed, match="could not be written"):
        put(file, f"s3://models/{tmp_path.name}/large", options=replace(options(proxy), stall_seconds=3))
    proxy.before = lambda _: None
    proxy.requests.clear()
    put(file, f"s3://models/{tmp_path.name}/large", options=options(proxy))
    assert 1 <= len([one for one in proxy.requests if "partNumber" in one.query]) < 6
    found = fetch(f"s3://models/{tmp_path.name}/large", tmp_path / "d", options=options(proxy))
    assert found.read_bytes() == LARGE


def test_writing_says_what_is_wrong(s3_endpoint: str, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x")
    poor = FetchOptions(endpoint=s3_endpoint, credentials={**KEYS, "AWS_ACCESS_KEY_ID": "poor"})
    with pytest.raises(FetchFailed, match="could not be written: access is denied") as caught:
        put(file, "s3://models/denied", options=poor)
    assert code_of(caught) == "denied"
    assert "s3:PutObject" in caught.value.hint
    with pytest.raises(InvalidInput, match="nothing can be uploaded"):
        put(file, "https://host/x")
