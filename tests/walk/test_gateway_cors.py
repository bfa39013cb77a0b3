"""Pages of other origins at the real Envoy: who may ask, what they may read, and that a token is still asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mlserve.gateway.table import Cluster, Route, Table
from tests.walk.gateway_kit import SECRET, TOKEN, Instance, client, gateway, instances

PAGE, BELOW, FOREIGN = "https://app.example.com", "https://a.b.shop.example", "https://evil.example"
QUESTION = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


@pytest.fixture(scope="module")
def one() -> Iterator[Instance]:
    with instances("a") as (started,):
        yield started


def table(at: str) -> Table:
    origins = (PAGE, "https://*.shop.example")
    routes = Route("iris", ((1, 1),), token=TOKEN, origins=origins), Route("wine", ((1, 1),), token=TOKEN)
    return Table((Cluster("iris", 1, (at,), "/"), Cluster("wine", 1, (at,), "/")), routes, SECRET)


async def asks(ask: httpx.AsyncClient, path: str, origin: str, token: str = "") -> tuple[int, str | None]:
    headers = {"origin": origin, "authorization": token} | (QUESTION if not token else {})
    answer = await ask.request("POST" if token else "OPTIONS", path, headers=headers)
    assert "access-control-allow-credentials" not in answer.headers
    return answer.status_code, answer.headers.get("access-control-allow-origin")


def test_named_origins_are_answered_and_others_are_not(tmp_path: Path, one: Instance) -> None:
    async def story() -> None:
        async with gateway(tmp_path) as made:
            await made.publish(table(one.address))
            async with client(made) as ask:
                for origin in (PAGE, BELOW):
                    assert await asks(ask, "/iris/eval", origin) == (200, origin)
                    assert await asks(ask, "/iris/eval", origin, TOKEN) == (200, origin)
                    assert await asks(ask, "/iris/eval", origin, "wrong") == (401, None)
                for origin in (FOREIGN, "https://shop.example.evil.example", "http://app.example.com", "null"):
                    assert await asks(ask, "/iris/eval", origin) == (401, None)
                    assert (await asks(ask, "/iris/eval", origin, TOKEN))[1] is None
                assert await asks(ask, "/wine", PAGE) == (401, None)

    asyncio.run(story())
