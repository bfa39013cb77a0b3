"""The serving program's HTTP: order, limits, slow and leaving clients. A real instance, raw sockets."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runtime_kit import IRIS, ROW, Running, read_all, serving

BODY = json.dumps(ROW).encode()
GOOD = b"POST /eval HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("iris")
    with serving(home, model_path=str(IRIS), max_body=100_000) as instance:
        yield instance


def test_pipelined_requests_are_answered_in_order(iris: Running) -> None:
    ids = [b"x-request-id: %d\r\n" % n for n in range(200)]
    mixed = [(GOOD if n % 3 else LIVE).replace(b"Host: x\r\n", b"Host: x\r\n" + line) for n, line in enumerate(ids)]
    answer = iris.raw(b"".join(mixed))
    assert answer.count(b"HTTP/1.1 200 OK") == 200
    places = [answer.index(line + b"\r\n" if n == 199 else line) for n, line in enumerate(ids)]
    assert places == sorted(places)


def test_a_chunked_body_is_read(iris: Running) -> None:
    head = b"POST /eval HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(BODY[i : i + 7]), BODY[i : i + 7]) for i in range(0, len(BODY), 7))
    assert b'"setosa"' in iris.raw(head + chunks + b"0\r\n\r\n")


def test_a_body_in_thousands_of_chunks_is_whole_and_trailers_change_nothing(iris: Running) -> None:
    body = json.dumps(ROW).encode() + b" " * 5000
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    head = b"POST /eval HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert iris.raw(head + chunks + b"0\r\ncontent-encoding: gzip\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("digits", [13, 400, 5000])
@pytest.mark.parametrize("header", ["inference-header-content-length", "x-envoy-expected-rq-timeout-ms"])
def test_numbers_of_any_length_in_headers_are_no_crash(iris: Running, header: str, digits: int) -> None:
    answer = iris.ask("POST", "/v2/models/iris/infer", b"{}", **{header.replace("-", "_"): "9" * digits})
    assert answer.status == 400


@pytest.mark.parametrize("address", ["/api/predict/shop", "/api/predict/shop@2"])
def test_a_model_is_found_by_the_name_that_its_caller_knows_too(iris: Running, address: str) -> None:
    for path in ("/v2/models/shop/infer", "/v1/models/shop:predict"):
        named = iris.ask("POST", path, b"{}", x_forwarded_prefix=address)
        assert named.status == 400, "it is the body that is wrong"
        assert iris.ask("POST", path, b"{}").status == 404
        assert iris.ask("POST", path.replace("shop", "shopping"), b"{}", x_forwarded_prefix=address).status == 404
    about = iris.ask("GET", "/v2/models/shop", x_forwarded_prefix=address)
    assert json.loads(about.body)["name"] == "iris"
    assert iris.ask("GET", "/v2/models/iris", x_forwarded_prefix=address).status == 200


def test_a_request_may_come_byte_by_byte(iris: Running) -> None:
    with iris.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in GOOD:
            client.send(bytes([byte]))
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_expect_continue_is_answered_before_the_body(iris: Running) -> None:
    with iris.connect() as client:
        head = b"POST /eval HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        client.sendall(head % len(BODY))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY)
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_a_body_over_the_limit_is_413_and_the_client_gets_to_read_it(iris: Running) -> None:
    answer = iris.post("/eval", b"x" * 5_000_000)
    assert answer.status == 413
    assert "100000 bytes" in answer.json["error"]
    assert answer.headers["connection"] == "close"


def test_a_chunked_body_over_the_limit_is_413(iris: Running) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = b"POST /eval HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = iris.raw(head + chunk * 3 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20000 + b"\r\n", b"GET /" + b"x" * 100_000])
def test_endless_headers_are_431(iris: Running, head: bytes) -> None:
    assert iris.raw(head).startswith(b"HTTP/1.1 431")


def test_noise_is_400_after_the_replies_that_were_due(iris: Running) -> None:
    answer = iris.raw(GOOD + LIVE + b"\x00\x01 nonsense\r\n\r\n")
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"200", b"400"]


def test_a_connection_is_kept_and_closed_as_asked(iris: Running) -> None:
    with iris.connect() as client:
        for _ in range(3):
            client.sendall(LIVE)
            assert b"connection: close" not in client.recv(4096)
        client.sendall(LIVE.replace(b"Host: x", b"Connection: close"))
        assert b"connection: close" in read_all(client)


def test_http_1_0_is_spoken(iris: Running) -> None:
    assert read_closed(iris, b"GET /v2/health/live HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
    with iris.connect() as client:
        client.sendall(b"GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert b"connection: keep-alive" in client.recv(4096)


def read_closed(iris: Running, data: bytes) -> bytes:
    with iris.connect() as client:
        client.sendall(data)
        return read_all(client)


def test_an_upgrade_that_is_not_offered_is_answered_as_plain_http(iris: Running) -> None:
    request = LIVE.replace(b"Host: x", b"Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c")
    assert read_closed(iris, request).startswith(b"HTTP/1.1 200")


def test_an_upgrade_with_a_body_is_refused_and_not_taken_for_an_empty_one(iris: Running) -> None:
    body = json.dumps(ROW).encode()
    head = b"POST /eval HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n"
    answer = iris.raw(head % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Upgrade" in answer


def test_the_target_may_be_a_whole_address(iris: Running) -> None:
    assert iris.raw(b"GET http://x/describe?a=://b HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert iris.raw(b"GET /none?a=http://b/describe HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 404")


def test_head_options_and_wrong_methods(iris: Running) -> None:
    head = iris.ask("HEAD", "/describe")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 100
    options = iris.ask("OPTIONS", "/eval")
    assert (options.status, options.headers["allow"]) == (204, "POST, OPTIONS")
    wrong = iris.get("/eval")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST, OPTIONS")
    assert iris.get("/nowhere").status == 404
    assert "paths" in iris.get("/nowhere").json["error"]


def test_the_request_id_comes_back(iris: Running) -> None:
    assert iris.post("/eval", ROW, x_request_id="abc-1").headers["x-request-id"] == "abc-1"


def test_a_half_closed_client_still_gets_its_reply(iris: Running) -> None:
    assert iris.raw(GOOD).startswith(b"HTTP/1.1 200 OK")


def test_clients_that_leave_do_not_take_the_replies_of_others(iris: Running) -> None:
    stayers = [iris.connect() for _ in range(20)]
    leavers = [iris.connect() for _ in range(20)]
    for stayer, leaver in zip(stayers, leavers, strict=True):
        leaver.sendall(GOOD)
        stayer.sendall(GOOD)
        leaver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # ends with a reset
        leaver.close()
    for stayer in stayers:
        assert stayer.recv(4096).startswith(b"HTTP/1.1 200 OK")
        stayer.close()


def test_a_client_that_does_not_read_holds_up_nobody(iris: Running) -> None:
    rows = {name: [[value]] * 300 for name, value in ROW.items()}
    body = json.dumps(rows).encode()
    request = b"POST /eval HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with iris.connect() as client:
        client.settimeout(1.0)
        try:
            for _ in range(2000):
                client.sendall(request)
        except TimeoutError:
            pass  # the server stopped reading, as it should
        else:
            raise AssertionError("the server reads on although nobody takes its replies")
        begun = time.monotonic()
        assert iris.post("/eval", ROW).status == 200
        assert time.monotonic() - begun < 5


def test_a_compressed_body_is_unpacked_and_a_bomb_is_not(iris: Running) -> None:
    assert iris.post("/eval", gzip.compress(BODY), content_encoding="gzip").json["species"] == "setosa"
    bomb = iris.post("/eval", gzip.compress(b" " * 50_000_000), content_encoding="gzip")
    assert (bomb.status, "100000 bytes" in bomb.json["error"]) == (413, True)
    assert iris.post("/eval", BODY, content_encoding="gzip").status == 400
    assert iris.post("/eval", BODY, content_encoding="br").status == 415


def test_metrics_count_what_was_answered(iris: Running) -> None:
    iris.post("/eval", ROW)
    iris.post("/eval", {"sepal_length": "no"})
    text = iris.get("/metrics").body.decode()
    for name in (
        "mlserve_requests_total",
        "mlserve_queue_seconds_bucket",
        "mlserve_batch_size_count",
        "nv_inference_count",
    ):
        assert f"\n{name}{{" in text
    assert 'code="400"' in text


TOKENS = [
    b"GET ",
    b"POST ",
    b"/eval",
    b"/",
    b" HTTP/1.1\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"{}",
    b"[[",
    b"\x00\xff",
    GOOD,
    LIVE,
    b"Inference-Header-Content-Length: 9\r\n",
    b"/v2/models/iris/infer",
    b"CONNECT x:1",
    b"multipart/form-data; boundary=a\r\n",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=40)), max_size=12))
def test_no_bytes_crash_or_hang_the_server(iris: Running, parts: list[bytes]) -> None:
    answer = iris.raw(b"".join(parts))
    http2 = b"".join(parts).startswith(b"PRI")  # answered by frames
    assert not answer or answer.startswith(b"\0\0" if http2 else b"HTTP/1.1 ")
    assert b" 500 " not in answer


def test_the_server_is_well_after_all_that(iris: Running) -> None:
    assert iris.post("/eval", ROW).json["species"] == "setosa"
    assert iris.get("/v2/health/ready").status == 200
    assert "Traceback" not in iris.log


SAME = b"POST /eval HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s"


def test_a_head_that_came_before_means_the_same_and_its_id_is_each_request_s_own(iris: Running) -> None:
    with iris.connect() as client:
        for id_ in (b"one", b"two", b"", b"two", b"t w o", b"x" * 200, b"three"):
            line = b"x-request-id: %s\r\n" % id_ if id_ else b""
            client.sendall(SAME % (line, len(BODY), BODY))
            answer = client.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")
            assert (line in answer) if id_ else (b"x-request-id" not in answer)


def test_a_known_head_changes_nothing_about_what_is_no_request(iris: Running) -> None:
    good = SAME % (b"x-request-id: a\r\n", len(BODY), BODY)
    for odd in (
        good.replace(b": a\r\n", b": a\x00\r\n"),
        good.replace(b"POST", b"PO ST"),
        good.replace(b"Content-Length: ", b"Content-Length: +"),
        good.replace(b"x-request-id", b"Content-Length: 1\r\nx-request-id"),
        b"\r\n\r\n" + b"\x01" + good,
    ):
        with iris.connect() as client:
            for _ in range(2):
                client.sendall(good)
                assert client.recv(4096).startswith(b"HTTP/1.1 200")
            client.sendall(odd)
            assert client.recv(4096).startswith(b"HTTP/1.1 400")


def test_a_body_in_pieces_and_two_requests_at_once_are_read_although_the_head_is_known(iris: Running) -> None:
    good = SAME % (b"", len(BODY), BODY)
    with iris.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in (len(good), 10, len(good) - 5, len(good) - len(BODY), 19):
            client.sendall(good[:cut])
            time.sleep(0.02)
            client.sendall(good[cut:])
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.sendall(good + good + b"\r\n\r\n" + good)
        seen = b""
        while seen.count(b"HTTP/1.1 200") < 3:
            seen += client.recv(4096)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /v2/health/live HTTP/1.1\r\nAccept: */*\r\n\r\n", b"400"),
        (b"GET /v2/health/live HTTP/2.0\r\nHost: x\r\n\r\n", b"505"),
        (b"GET /v2/health/live HTTP/0.9\r\nHost: x\r\n\r\n", b"505"),
        (b"GET /v2/health/live HTTP/1.9\r\nHost: x\r\n\r\n", b"505"),
    ],
)
def test_one_host_and_a_version_that_is_spoken(iris: Running, head: bytes, status: bytes) -> None:
    answer = iris.raw(head + head)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.count(b"HTTP/1.1 " + status) == 1


def test_http_1_0_in_chunks_is_the_last_of_its_connection(iris: Running) -> None:
    head = b"POST /eval HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    answer = iris.raw((head + chunked) * 2)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer


def test_those_who_look_after_instances_are_not_counted(iris: Running) -> None:
    def counted() -> bytes:
        lines = iris.get("/metrics").body.splitlines()
        return b"".join(line for line in lines if line.startswith(b"mlserve_requests_total") and b'"200"' in line)

    iris.get("/metrics")
    before = counted()
    for _ in range(5):
        assert iris.get("/v2/health/ready").status == 200
    assert int(counted().rsplit(b" ", 1)[1]) - int(before.rsplit(b" ", 1)[1]) == 1  # that of /metrics before
