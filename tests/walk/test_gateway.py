"""What a client of a service meets at the gateway: the real Envoy before small real instances."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Cluster, Route, Table
from tests.walk.gateway_kit import SECRET, TOKEN, Instance, client, free_port, gateway, instances

Story = Callable[[Gateway, httpx.AsyncClient], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def two() -> Iterator[list[Instance]]:
    with instances("a", "b") as started:
        yield started


def table(two: list[Instance], **options: Any) -> Table:
    """iris on a, with a token and the options; iris2 on b, with another token; open on b, public."""
    a, b = (instance.address for instance in two)
    clusters = (Cluster("iris", 1, (a,), "/"), Cluster("iris2", 1, (b,)), Cluster("open", 1, (b,), "/"))
    routes = (
        Route("iris", ((1, 1),), token=TOKEN, **options),
        Route("iris2", ((1, 1),), token="another"),
        Route("open", ((1, 1),)),
    )
    return Table(clusters, routes, SECRET)


def tell(tmp_path: Path, wished: Table, story: Story) -> None:
    async def whole() -> None:
        async with gateway(tmp_path) as made:
            await made.publish(wished)
            async with client(made) as ask:
                await story(made, ask)

    asyncio.run(whole())


def test_a_token_opens_its_own_service_only(tmp_path: Path, two: list[Instance]) -> None:
    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        for value in (TOKEN, f"Bearer {TOKEN}", f"bearer  {TOKEN}"):
            answer = await ask.get("/iris", headers={"authorization": value})
            assert answer.status_code == 200
            assert answer.headers["x-mlserve-served-by"] == "iris/1"
            assert "authorization" not in answer.json()["headers"]
        for value in ("", "wrong", "s3cretttoXken", f"{TOKEN}x", f"Basic {TOKEN}", "another"):
            answer = await ask.get("/iris", headers={"authorization": value})
            assert answer.status_code == 401
            assert answer.json()["code"] == "denied"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "x-mlserve-served-by" not in answer.headers
        assert (await ask.get("/iris2")).status_code == 401
        public = await ask.get("/open", headers={"authorization": "mine"})
        assert public.json()["headers"]["authorization"] == "mine"

    tell(tmp_path, table(two), story)


def test_the_sub_path_and_query_arrive_as_they_are(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, _: httpx.AsyncClient) -> None:
        for sent, path in (
            ("", "/"), ("/", "/"), ("?a=1&b=%2F", "/"), ("/v2/models/iris/infer", "/v2/models/iris/infer"),
            ("//evil", "/evil"), ("/a%2Fb", "/a%2Fb"), ("/a//b?x=//", "/a//b"), ("/a/./b/../c", "/a/c"),
        ):  # fmt: skip
            status, body = await raw(made, f"/api/predict/iris{sent}", TOKEN)
            assert (status, body["path"]) == (200, path), sent
            assert body["query"] == sent.partition("?")[2]

    tell(tmp_path, table(two), story)


def test_no_trick_with_the_path_reaches_a_service_under_anothers_token(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, _: httpx.AsyncClient) -> None:
        for path in (
            "/api/predict/iris2", "/api/predict/iris/../iris2", "/api/predict/iris/%2e%2e/iris2",
            "/api/predict/iris/.%2E/iris2/x", "/api/predict/open/../iris2", "/api/predict/iris\\..\\iris2",
            "/api/predict/iris%2f..%2firis2", "/api/predict/iris/..%2firis2", "/api/predict//iris2",
            "/api/predict/iris;/../iris2", "/api/predict/IRIS2", "/api/predict/iris%00/../iris2", "//api/predict/iris2",
            "http://x/api/predict/iris2", "/api/predict/iris/%252e%252e/iris2", "/api/predict/iris?/../iris2",
        ):  # fmt: skip
            status, body = await raw(made, path, TOKEN)
            reached = body.get("headers", {}).get("x-forwarded-prefix")
            assert status in (400, 401, 404) or reached == "/api/predict/iris", (path, status, body)

    tell(tmp_path, table(two), story)


def test_the_page_for_people_is_all_that_opens_without_a_token(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        for token in ("", "wrong"):
            for path in ("/iris/docs", "/iris/docs?a=1"):
                answer = await ask.get(path, headers={"authorization": token})
                assert (answer.status_code, answer.json()["path"]) == (200, "/docs")
                assert "authorization" not in answer.json()["headers"]
            for method in ("POST", "HEAD", "PUT", "DELETE", "OPTIONS"):
                denied = await ask.request(method, "/iris/docs", headers={"authorization": token})
                assert denied.status_code == 401, method
            upgrade = {"authorization": token, "connection": "upgrade", "upgrade": "websocket"}
            assert (await ask.get("/iris/docs", headers=upgrade)).status_code in (401, 403)
            assert (await ask.request("GET", "/iris/docs", content=b"xy", headers={"authorization": token})).is_error
            assert (await ask.get("/iris2/docs", headers={"authorization": token})).status_code == 401
        for path in (
            "/docs/", "/docs/x", "//docs", "/docs%2f..%2feval", "/docs/../eval", "/docs%2F", "/Docs", "/docs;x",
            "/x/docs", "/docs%3f", "/docs/..", "/../iris2/docs", "/openapi.json", "/%64ocs/eval", "/docs%00",
        ):  # fmt: skip
            status, body = await raw(made, f"/api/predict/iris{path}", "wrong")
            assert status in (400, 401, 404), (path, status, body)

    tell(tmp_path, table(two, open_docs=True), story)


async def raw(made: Gateway, path: str, token: str) -> tuple[int, dict[str, Any]]:
    """A request whose path no client library has tidied up."""
    host, _, port = made.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\nconnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read(-1)
    writer.close()
    parts = answer.partition(b"\r\n\r\n")
    start, end = parts[2].find(b"{"), parts[2].rfind(b"}")
    body = httpx.Response(200, content=parts[2][start : end + 1]).json() if start >= 0 else {}
    return int(parts[0].split()[1]), body


def test_what_envoy_answers_itself_is_json_that_says_why(tmp_path: Path, two: list[Instance]) -> None:
    wished = table(two, max_body=10_000, timeout_seconds=0.5)
    dead = Cluster("dead", 1, (f"127.0.0.1:{free_port()}",))
    extra = (Route("dead", ((1, 1),)), Route("none", ((1, 1),)), Route("stopped", ()), Route("broken", (), failed=True))
    wished = Table((*wished.clusters, dead, Cluster("none", 1)), (*wished.routes, *extra), SECRET)

    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        for path, status, code in (
            ("/iris3", 404, "not-found"), ("/iri", 404, "not-found"), ("", 404, "not-found"),
            ("/iris/slow?5", 504, "timed-out"), ("/dead", 503, "instance-failed"),
            ("/none", 503, "no-instance"), ("/stopped", 503, "stopped"), ("/broken", 503, "failed"),
        ):  # fmt: skip
            answer = await ask.get(path)
            assert (answer.status_code, answer.json()["code"]) == (status, code), path
            assert answer.json()["error"]
            assert ("retry-after" in answer.headers) == (status == 503 and code != "failed")
        assert (await ask.get("/broken")).json()["hint"] == "mlserve why broken"
        for content in (b"x" * 20_000, chunks(20)):
            answer = await ask.post("/iris", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
        own = await ask.get("/iris/error")
        assert (own.status_code, own.json()) == (418, {"own": "error"})
        assert (await ask.post("/iris", content=b"x" * 10_000)).json()["size"] == 10_000

    tell(tmp_path, wished, story)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /api/predict/iris HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 200, 431, "headers-too-large"),
        (b"GET /api/predict/iris HTTP/1.1\r\nhost: x\r\na: " + b"b" * 100_000 + b"\r\n", 431, "headers-too-large"),
        (b"GET /api/predict/iris HTTP/1.1\r\n", 400, "bad-request"),
        (b"GET /api/predict/iris%00 HTTP/1.1\r\nhost: x\r\n", 400, "bad-request"),
        (b"GET /api/predict/iris HTTP/1.0\r\nhost: x\r\n", 426, "old-http"),
        (b"POST /api/predict/iris HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n", 501, "not-implemented"),
    ],
)
def test_what_is_no_request_is_told_why(
    tmp_path: Path, two: list[Instance], sent: bytes, status: int, code: str
) -> None:
    async def story(made: Gateway, _: httpx.AsyncClient) -> None:
        host, _, port = made.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent + b"connection: close\r\n\r\n")
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        writer.close()
        error = json.loads(body)
        assert (int(head.split()[1]), error["code"]) == (status, code)
        assert len(error["error"]) > 20
        assert error["hint"]

    tell(tmp_path, table(two), story)


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1000


def test_a_body_far_over_the_limit_gets_its_413(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        url = f"http://{made.address}/api/predict/iris"
        send = partial(httpx.post, url, content=bytes(100_000_000), headers={"authorization": TOKEN})
        assert (await asyncio.to_thread(send)).status_code == 413
        large = await ask.post("/open", content=bytes(40_000_000))
        assert large.json()["size"] == 40_000_000

    tell(tmp_path, table(two, max_body=1_000_000), story)


def test_a_probe_reaches_a_version_that_no_route_names(tmp_path: Path, two: list[Instance]) -> None:
    a, b = (instance.address for instance in two)
    clusters = (Cluster("iris", 1, (a,)), Cluster("iris", 2, (b,)), Cluster("new", 1, (b,)))
    wished = Table(clusters, (Route("iris", ((1, 1), (2, 0)), token=TOKEN),), SECRET)

    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        ask.headers.pop("authorization")
        probe = {"x-mlserve-probe": SECRET}
        for service, version, name in (("iris", 1, "a"), ("iris", 2, "b"), ("new", 1, "b")):
            answer = await ask.get(f"/{service}/x", headers={**probe, "x-mlserve-version": str(version)})
            assert (answer.json()["name"], answer.json()["path"]) == (name, "/x")
            assert not {"x-mlserve-probe", "x-mlserve-version"} & set(answer.json()["headers"])
        assert (await ask.get("/new")).status_code == 404
        wrong = {"x-mlserve-probe": "guess", "x-mlserve-version": "2"}
        assert (await ask.get("/iris", headers=wrong)).status_code == 401

    tell(tmp_path, wished, story)


def test_streams_and_websockets_outlive_the_deadline(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        loop = asyncio.get_running_loop()
        async with ask.stream("GET", "/iris/stream") as answer:
            arrived = [loop.time() async for line in answer.aiter_lines() if line]
        assert len(arrived) == 5
        assert arrived[-1] - arrived[0] > 0.9, "each event passes when it is sent"
        url = f"ws://{made.address}/api/predict/iris/ws"
        async with connect(url, additional_headers={"authorization": TOKEN}) as socket:
            for text in ("x", "y"):
                await socket.send(text)
                assert await socket.recv() == f"a:{text}"
                await asyncio.sleep(1.2)
            await socket.send("x" * 60_000)
            await socket.send("x" * 60_000)
            assert len(await socket.recv()) == len(await socket.recv()) == 60_002

    tell(tmp_path, table(two, timeout_seconds=1.0, max_body=100_000), story)


def test_http2_without_tls_is_spoken(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, _: httpx.AsyncClient) -> None:
        async with client(made, http1=False, http2=True) as ask:
            await ask.get("/iris")
            # Five at a time: this client loses count of its own streams where it opens many while the machine is busy.
            rounds = [await asyncio.gather(*(ask.post("/iris", content=b"x") for _ in range(5))) for _ in range(4)]
            answers = [answer for together in rounds for answer in together]
        assert {(answer.http_version, answer.status_code) for answer in answers} == {("HTTP/2", 200)}

    tell(tmp_path, table(two), story)


def test_headers_that_steer_envoy_are_not_taken_from_clients(tmp_path: Path, two: list[Instance]) -> None:
    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        steering = {"x-envoy-upstream-rq-timeout-ms": "1", "x-envoy-original-path": "/api/predict/iris2"}
        answer = await ask.get("/iris/slow?0.1", headers=steering)
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("x-envoy")]

    tell(tmp_path, table(two), story)


def test_a_half_closed_or_broken_client_disturbs_nobody(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        host, _, port = made.address.rpartition(":")
        for sent in (b"", b"\x00\xff\r\n\r\n", b"GET /api/predict/iris HTTP/1.1\r\nhost: x\r\n\r\n", b"POST / HT"):
            with socket.create_connection((host, int(port))) as broken:
                broken.sendall(sent)
                broken.shutdown(socket.SHUT_WR)
        assert (await ask.get("/iris")).status_code == 200

    tell(tmp_path, table(two), story)
