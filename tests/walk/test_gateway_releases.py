"""Two versions of a service side by side, the new one erring: the real Envoy, under load."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mlserve.gateway.table import Cluster, Route, Table
from tests.waiting import eventually
from tests.walk.gateway_kit import TOKEN, Load, client, gateway, instances

pytestmark = pytest.mark.alone


@pytest.mark.parametrize("retry", [True, False])
def test_a_new_version_that_errs_is_counted_and_the_old_one_answers_in_its_place(tmp_path: Path, retry: bool) -> None:
    async def story(old: str, new: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            clusters = Cluster("shop", 1, (old,), "/"), Cluster("shop", 2, (new,), "/", backed=True)
            route = Route("shop", ((1, 50), (2, 50)), token=TOKEN, retry=retry)
            await made.publish(Table(clusters, (route,)))
            load = Load(ask, "/shop/lame/error")
            async with load.running(workers=32):
                await load.more(200)
            assert bool(load.failures) is not retry

            async def counted() -> bool:
                count = await made.requests("shop")
                erred = count[("shop", 2)]
                return erred.total == erred.failed > 50 and count[("shop", 1)].failed == 0

            await eventually(counted)

    with instances("old", "p-new") as two:
        asyncio.run(story(*(instance.address for instance in two)))
