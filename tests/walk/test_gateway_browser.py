"""What a browser meets at the gateway: its cookie in the token's place, and web apps that believe to be at the root."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from mlserve.gateway.cookie import cookie
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Cluster, Route, Table
from tests.walk.gateway_kit import TOKEN, Instance, instances
from tests.walk.test_gateway import tell

ANOTHER = "another"
IRIS, APP = cookie("iris", TOKEN), cookie("app", ANOTHER)
HTML = {"accept": "text/html,*/*"}


@pytest.fixture(scope="module")
def two() -> Iterator[list[Instance]]:
    with instances("a", "b") as started:
        yield started


def table(two: list[Instance], **options: Any) -> Table:
    """iris on a, a model; app on b, a web app; open on b, a public one."""
    a, b = (instance.address for instance in two)
    clusters = (Cluster("iris", 1, (a,)), Cluster("app", 1, (b,)), Cluster("open", 1, (b,)))
    routes = (
        Route("iris", ((1, 1),), token=TOKEN),
        Route("app", ((1, 1),), token=ANOTHER, web=True, **options),
        Route("open", ((1, 1),), web=True),
    )
    return Table(clusters, routes)


def test_a_cookie_opens_its_own_service_only_and_stays_at_the_gateway(tmp_path: Path, two: list[Instance]) -> None:
    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        ask.headers.pop("authorization")
        for service, own, foreign in (("/iris", IRIS, APP), ("/app", APP, IRIS)):
            for sent, passed in ((own, None), (f"a=1; {own}; b=2", "a=1; b=2"), (f"{own};c=3", "c=3")):
                for method in ("GET", "POST"):
                    answer = await ask.request(method, f"{service}/x", headers={"cookie": sent})
                    assert answer.status_code == 200, (service, sent)
                    assert answer.json()["headers"].get("cookie") == passed
            for wrong in (foreign, own[:-1], own.upper(), cookie("wine", TOKEN), ""):
                denied = await ask.get(f"{service}/x", headers={"cookie": wrong})
                assert (denied.status_code, denied.json()["code"]) == (401, "denied")
        own = {"cookie": IRIS, "authorization": "the app's"}
        assert (await ask.get("/iris", headers=own)).json()["headers"]["authorization"] == "the app's"

    tell(tmp_path, table(two), story)


def test_another_token_ends_the_cookie(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        ask.headers.pop("authorization")
        assert (await ask.get("/iris", headers={"cookie": IRIS})).status_code == 200
        first, *rest = table(two).routes
        await made.publish(Table(table(two).clusters, (Route(first.service, first.targets, "new"), *rest)))
        assert (await ask.get("/iris", headers={"cookie": IRIS})).status_code == 401
        assert (await ask.get("/iris", headers={"cookie": cookie("iris", "new")})).status_code == 200

    tell(tmp_path, table(two), story)


def test_pages_of_another_origin_cant_use_the_cookie(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        own, evil = f"http://{made.address}", "http://127.0.0.1:3000"
        cases: list[tuple[str, dict[str, str], int]] = [
            ("POST", {"origin": own}, 200),
            ("POST", {"origin": own.replace("http", "https")}, 200),
            ("POST", {"origin": evil}, 403),
            ("POST", {"origin": "null"}, 403),
            ("POST", {"origin": "null", "sec-fetch-site": "same-origin"}, 200),
            ("DELETE", {"origin": f"{own}.evil.example"}, 403),
            ("GET", {"origin": evil}, 403),
            ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
            ("GET", {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
            ("GET", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
            ("POST", {}, 200),
        ]
        for service, one in (("/iris", IRIS), ("/app", APP)):
            for method, headers, status in cases:
                sent = {"cookie": one, "authorization": "", **headers}
                answer = await ask.request(method, service, headers=sent)
                assert answer.status_code == status, (service, method, headers, answer.text)
                assert status == 200 or answer.json()["code"] == "refused"
        with_token = await ask.post("/iris", headers={"origin": evil, "cookie": IRIS})
        assert with_token.status_code == 200, "who has the token needs no cookie"

    tell(tmp_path, table(two), story)


def test_a_websocket_opens_with_the_cookie_and_not_for_other_pages(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, _: httpx.AsyncClient) -> None:
        for service, one, name in (("iris", IRIS, "a"), ("app", APP, "b")):
            url = f"ws://{made.address}/api/predict/{service}/ws"
            async with connect(url, additional_headers={"cookie": one}, origin=f"http://{made.address}") as socket:
                await socket.send("x")
                assert await socket.recv() == f"{name}:x"
            for headers, origin, status in (
                ({"cookie": one}, "http://127.0.0.1:3000", 403),
                ({"cookie": "x=1"}, f"http://{made.address}", 401),
            ):
                with pytest.raises(InvalidStatus) as refused:
                    async with connect(url, additional_headers=headers, origin=origin):
                        pass
                assert refused.value.response.status_code == status

    tell(tmp_path, table(two), story)


def test_events_pass_one_by_one(tmp_path: Path, two: list[Instance]) -> None:
    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        loop = asyncio.get_running_loop()
        for path in ("/app/stream", "/open/stream"):
            async with ask.stream("GET", path, headers={"cookie": APP, "accept": "text/event-stream"}) as answer:
                arrived = [loop.time() async for line in answer.aiter_lines() if line]
            assert len(arrived) == 5
            assert arrived[-1] - arrived[0] > 0.9

    tell(tmp_path, table(two), story)


def test_an_app_is_told_where_it_is_and_pages_end_with_a_slash(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        told = (await ask.get("/app/x?q=%2F", headers={"authorization": ANOTHER})).json()
        assert (told["path"], told["query"]) == ("/x", "q=%2F")
        seen = {name: value for name, value in told["headers"].items() if name.startswith("x-forwarded")}
        assert seen.pop("x-forwarded-for")
        assert seen == {
            "x-forwarded-prefix": "/api/predict/app", "x-forwarded-host": made.address,
            "x-forwarded-proto": "http",
        }  # fmt: skip
        assert told["headers"]["host"] == made.address
        for path, headers in (("/app?a=1", {"authorization": ""}), ("/open?a=1", {})):
            moved = await ask.get(path, headers={**HTML, **headers})
            assert moved.status_code == 307
            assert moved.headers["location"].endswith(f"/api/predict{path.replace('?', '/?')}")
        for method, headers in (("GET", {"accept": "application/json"}), ("POST", HTML)):
            assert (await ask.request(method, "/open", headers=headers)).status_code == 200

    tell(tmp_path, table(two), story)


@pytest.mark.parametrize(
    ("said", "arrives"),
    [
        ("/login?next=/a", "/api/predict/app/login?next=/a"),
        ("/", "/api/predict/app/"),
        ("http://HOST/items/", "/api/predict/app/items/"),
        ("https://HOST", "/api/predict/app/"),
        ("http://HOST?x=1", "/api/predict/app/?x=1"),
        ("/api/predict/app/login", "/api/predict/app/login"),
        ("http://HOST/api/predict/app/", "/api/predict/app/"),
        ("/api/predict/apple", "/api/predict/app/api/predict/apple"),
        ("login", "login"),
        ("../login", "../login"),
        ("?page=2", "?page=2"),
        ("//elsewhere.example/x", "//elsewhere.example/x"),
        ("https://elsewhere.example/login", "https://elsewhere.example/login"),
    ],
)
def test_a_redirect_stays_below_the_services_path(tmp_path: Path, two: list[Instance], said: str, arrives: str) -> None:
    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        query = urlencode({"location": said.replace("HOST", made.address)})
        for headers in ({"authorization": ANOTHER}, {"authorization": "", "cookie": APP}):
            answer = await ask.get(f"/app/say?{query}", headers=headers)
            assert (answer.status_code, answer.headers["location"]) == (302, arrives)

    tell(tmp_path, table(two), story)


def test_cookies_of_an_app_stay_below_its_path_and_a_models_answers_are_left_alone(
    tmp_path: Path, two: list[Instance]
) -> None:
    said = [
        ("set-cookie", "sid=1; Path=/; HttpOnly"), ("set-cookie", "b=2;path=/admin"), ("set-cookie", "c=3"),
        ("set-cookie", "d=4; Path=/api/predict/app/x; Secure"), ("set-cookie", "e=5; Path=/api/predict/iris"),
        ("location", "/x"),
    ]  # fmt: skip

    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        answer = await ask.get(f"/app/say?{urlencode(said)}", headers={"authorization": ANOTHER})
        assert answer.headers.get_list("set-cookie") == [
            "sid=1; Path=/api/predict/app; HttpOnly", "b=2;path=/api/predict/app/admin", "c=3",
            "d=4; Path=/api/predict/app/x; Secure", "e=5; Path=/api/predict/app/api/predict/iris",
        ]  # fmt: skip
        model = await ask.get(f"/iris/say?{urlencode(said)}")
        assert [("set-cookie", text) for text in model.headers.get_list("set-cookie")] == said[:-1]
        assert model.headers["location"] == "/x"

    tell(tmp_path, table(two), story)


def test_a_code_reaches_the_hub_alone_and_its_absence_is_told(tmp_path: Path, two: list[Instance]) -> None:
    async def story(made: Gateway, _: httpx.AsyncClient) -> None:
        wished = table(two)
        async with httpx.AsyncClient(base_url=f"http://{made.address}") as ask:
            assert (await ask.get("/api/login/x")).status_code == 404
            await made.publish(Table(wished.clusters, wished.routes, hub=two[0].address))
            secrets = {"authorization": TOKEN, "cookie": IRIS}
            reached = (await ask.get("/api/login/x1", headers=secrets)).json()
            assert (reached["name"], reached["path"]) == ("a", "/api/login/x1")
            assert not {"authorization", "cookie"} & set(reached["headers"])
            for method, path in (("POST", "/api/login/x"), ("GET", "/api/login"), ("GET", "/v1/services")):
                assert (await ask.request(method, path)).status_code == 404
            await made.publish(Table(wished.clusters, wished.routes, hub=two[1].address))
            assert (await ask.get("/api/login/x")).json()["name"] == "b", "the hub may come back elsewhere"
            gone = (*wished.clusters[:2], Cluster("open", 1, ("127.0.0.1:1",)))
            await made.publish(Table(gone, wished.routes, hub="127.0.0.1:1"))
            apps_own = await ask.get("/api/predict/open/api/login/x")
            assert (apps_own.status_code, apps_own.json()["code"]) != (503, "no-hub")
            silent = await ask.get("/api/login/x")
            assert (silent.status_code, silent.json()["code"]) == (503, "no-hub")
            assert await made.requests() == await made.requests(), "the hub is none of the services counted"
            assert {name for name, _ in await made.requests()} <= {"iris", "app", "open"}

    tell(tmp_path, table(two), story)
