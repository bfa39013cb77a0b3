"""Tokens that the hub issued, at the real Envoy: which open a service, which don't, and what a change of keys costs."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from mlserve.errors import GatewayFailed
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Access, Cluster, Route, Table
from tests.unit import jwt_kit as kit
from tests.waiting import eventually
from tests.walk.gateway_kit import SECRET, TOKEN, Instance, Load, client, gateway, instances

Story = Callable[[Gateway, httpx.AsyncClient], Coroutine[Any, Any, None]]
OURS, NEXT, THEIRS = kit.key(), kit.key(), kit.key()
NAMED = frozenset(
    {"iris", "iris-lite", "iris*", "*", "wine", "iris-l*", "iri", "iris-", "irisx*", "iris**", "ir*s", "closed"}
)
ACCESS = Access(kit.ISSUER, (kit.jwk(OURS, "k1"),), services=NAMED)


@pytest.fixture(scope="module")
def one() -> Iterator[Instance]:
    with instances("a") as (started,):
        yield started


def table(at: str) -> Table:
    """iris and iris-lite with tokens, closed is stopped, open is public."""
    names = ("iris", "iris-lite", "open")
    clusters = tuple(Cluster(name, 1, (at,), "/") for name in names)
    routes = (
        Route("iris", ((1, 1),), token=TOKEN),
        Route("iris-lite", ((1, 1),), token="lite"),
        Route("open", ((1, 1),)),
        Route("closed", (), token=TOKEN),
    )
    return Table(clusters, routes, SECRET)


def tell(tmp_path: Path, one: Instance, story: Story, access: Access = ACCESS) -> None:
    async def whole() -> None:
        async with gateway(tmp_path) as made:
            await made.admit(access)
            await made.publish(table(one.address))
            async with client(made) as ask:
                await story(made, ask)

    asyncio.run(whole())


async def said(ask: httpx.AsyncClient, path: str, authorization: str) -> tuple[int, str]:
    answer = await ask.get(path, headers={"authorization": authorization})
    return answer.status_code, answer.text


def test_a_token_opens_the_services_it_names_and_no_other(tmp_path: Path, one: Instance) -> None:
    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        for services, opened in (
            (("iris",), {"/iris"}), (("iris-lite",), {"/iris-lite"}), (("iris*",), {"/iris", "/iris-lite"}),
            (("*",), {"/iris", "/iris-lite"}), (("wine", "iris-l*"), {"/iris-lite"}), (("iri",), set()),
            (("unknown*", "i*"), set()), (("iris-",), set()), (("irisx*",), set()), (("iris**",), set()),
            (("ir*s",), set()), ((), set()),
        ):  # fmt: skip
            made = kit.token(OURS, "k1", *services)
            for form in (made, f"Bearer {made}", f"bearer  {made}"):
                answers = {
                    path: await ask.get(path, headers={"authorization": form}) for path in ("/iris", "/iris-lite")
                }
                assert {path for path, answer in answers.items() if answer.status_code == 200} == opened, services
                assert all(a.status_code == 403 for path, a in answers.items() if path not in opened)
                assert all("authorization" not in answers[path].json()["headers"] for path in opened)
        assert await said(ask, "/closed", kit.token(OURS, "k1", "closed")) == await said(ask, "/closed", TOKEN)
        assert (await said(ask, "/closed", kit.token(OURS, "k1", "iris")))[0] == 403
        public = await ask.get("/open", headers={"authorization": kit.token(THEIRS, "k9", "x")})
        assert "authorization" in public.json()["headers"], "of a public service it is the program's own"

    tell(tmp_path, one, story)


def test_what_is_forged_expired_or_for_something_else_is_refused_with_its_reason(tmp_path: Path, one: Instance) -> None:
    good = kit.token(OURS, "k1", "iris")
    head, payload, signature = good.split(".")
    wrong = {
        kit.token(OURS, "k1", "iris", exp=int(time.time()) - 5): "expired",
        kit.token(THEIRS, "k1", "iris"): "verification fails",
        kit.token(THEIRS, "k2", "iris"): "key",
        kit.token(OURS, "k1", "iris", iss="another"): "Jwt",
        kit.token(OURS, "k1", "iris", iss=None): "Jwt",
        kit.unsigned("iris"): "Jwt",
        kit.unsigned("iris", alg="None"): "Jwt",
        f"{head}.{payload}.": "Jwt",
        f"{head}.{payload}.{signature[:-4]}": "verification fails",
        f"{head}.{kit.unsigned('*').split('.')[1]}.{signature}": "verification fails",
        kit.confused(OURS, "k1", "iris"): "Jwt",
    }

    async def story(_: Gateway, ask: httpx.AsyncClient) -> None:
        for made, reason in wrong.items():
            status, text = await said(ask, "/iris", f"Bearer {made}")
            assert (status, reason in text, '"code":"denied"' in text) == (401, True, True), (text, made)
        for odd in (f"Basic {good}", f"{good} {good}", f"Bearer {good}, {good}", f"x{good}", f"{TOKEN} {good}"):
            assert (await said(ask, "/iris", odd))[0] == 401, odd
        assert (await said(ask, "/iris", kit.token(OURS, "k1", "iris", aud=["manage"])))[0] == 403
        assert (await ask.get("/iris", params={"access_token": good}, headers={"authorization": ""})).status_code == 401
        assert (await ask.get("/iris", headers={"authorization": "", "cookie": f"token={good}"})).status_code == 401
        assert (await said(ask, "/iris", TOKEN))[0] == 200

    tell(tmp_path, one, story)


def test_a_revoked_token_is_refused_at_once_and_stays_so_when_a_table_is_refused(tmp_path: Path, one: Instance) -> None:
    first, second = (kit.token(OURS, "k1", "iris", jti=jti) for jti in ("t1", "t2"))

    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        assert [(await said(ask, "/iris", token))[0] for token in (first, second)] == [200, 200]
        await made.admit(Access(kit.ISSUER, ACCESS.keys, frozenset({"t1"}), NAMED))
        status, text = await said(ask, "/iris", first)
        assert (status, "was revoked" in text) == (401, True)
        assert (await said(ask, "/iris", second))[0] == 200
        with pytest.raises(GatewayFailed):
            await made.publish(Table((Cluster("bad", 1, ("1.2.3.4:99999",)),)))
        assert [(await said(ask, "/iris", token))[0] for token in (first, second)] == [401, 200]

    tell(tmp_path, one, story)


def test_keys_rotate_under_load_and_no_request_notices(tmp_path: Path, one: Instance) -> None:
    old, new = kit.token(OURS, "k1", "iris"), kit.token(NEXT, "k2", "iris")

    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        assert (await said(ask, "/iris", new))[0] == 401
        load = Load(httpx.AsyncClient(base_url=ask.base_url, headers={"authorization": old}, timeout=20))
        async with load.running(4):
            for _ in range(5):
                await made.admit(Access(kit.ISSUER, (kit.jwk(NEXT, "k2"), *ACCESS.keys), services=NAMED))
                assert (await said(ask, "/iris", new))[0] == 200
                await made.admit(ACCESS)
        await load.ask.aclose()
        assert load.failures == []
        await made.admit(Access(kit.ISSUER, (kit.jwk(NEXT, "k2"),), services=NAMED))
        assert [(await said(ask, "/iris", token))[0] for token in (old, new)] == [401, 200]

    tell(tmp_path, one, story)


def test_a_websocket_takes_such_a_token_too(tmp_path: Path, one: Instance) -> None:
    async def story(made: Gateway, _: httpx.AsyncClient) -> None:
        address = f"ws://{made.address}/api/predict/iris"
        right = {"authorization": f"Bearer {kit.token(OURS, 'k1', 'iris')}"}
        async with connect(address, additional_headers=right) as socket:
            await socket.send("hello")
            assert "hello" in str(await socket.recv())
        for wrong, status in ((kit.token(THEIRS, "k1", "iris"), 401), (kit.token(OURS, "k1", "wine"), 403)):
            with pytest.raises(InvalidStatus) as refused:
                await connect(address, additional_headers={"authorization": f"Bearer {wrong}"})
            assert refused.value.response.status_code == status

    tell(tmp_path, one, story)


def test_the_first_token_needs_no_other_publication_and_envoys_death_forgets_none(
    tmp_path: Path, one: Instance
) -> None:
    made_token = kit.token(OURS, "k1", "iris")

    async def story(made: Gateway, ask: httpx.AsyncClient) -> None:
        assert (await said(ask, "/iris", made_token))[0] == 401
        await made.admit(Access(kit.ISSUER, ACCESS.keys, frozenset({"t2"}), NAMED))
        assert (await said(ask, "/iris", made_token))[0] == 200
        watch = asyncio.create_task(made.watch())
        assert made.pid
        os.kill(made.pid, signal.SIGKILL)

        async def opens() -> bool:
            with suppress(httpx.TransportError):
                return (await said(ask, "/iris", made_token))[0] == 200
            return False

        await eventually(opens)
        assert (await said(ask, "/iris", kit.token(OURS, "k1", "iris", jti="t2")))[0] == 401
        watch.cancel()

    tell(tmp_path, one, story, Access())
