"""Reasons why a real S3 service gives nothing, many and odd objects of it, and writing to it."""

from __future__ import annotations

import http.server
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.s3_kit import (
    KEYS,
    LARGE,
    SMALL,
    cache,
    code_of,
    digests,
    no_credentials_around,
    options,
    place,
    proxy,
)
from tests.s3_proxy import Asked, S3Proxy
from tests.s3_server import free_ports, s3_client

from mlserve.errors import FetchFailed, InvalidInput
from mlserve.storage import FetchOptions, check, fetch, put

__all__ = ["cache", "no_credentials_around", "place", "proxy"]


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
