"""What the real Envoy notes of requests whose arms are compared, and what it passes on of feedback."""

from __future__ import annotations

import asyncio
import json
import resource
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlserve.gateway.arms import FEEDBACK_HEADER
from mlserve.gateway.cookie import LOGIN_PATH
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.process import LARGEST_FILE
from mlserve.hub.arms.ledger import Ledger
from mlserve.hub.arms.lines import key
from mlserve.hub.arms.notes import Notes
from tests.waiting import eventually
from tests.walk.gateway_kit import TOKEN, client, gateway, instances
from tests.walk.test_gateway_groups import BLUE, GREEN, table

HALF = (replace(BLUE, weight=50), replace(GREEN, weight=50))


async def _done(tasks: Sequence[asyncio.Task[bytes]], count: int) -> bool:
    return sum(task.done() for task in tasks) >= count


async def lines(made: Gateway, count: int) -> Sequence[dict[str, Any]]:
    """What was noted, once there is so much of it."""

    async def there() -> bool:
        return made.noted.exists() and made.noted.read_bytes().count(b"\n") >= count

    await eventually(there)
    found = [json.loads(line) for line in made.noted.read_text().splitlines()]
    assert len(found) == count
    return found


def test_requests_that_arms_share_by_chance_are_noted(tmp_path: Path) -> None:
    async def story(blue: str, green: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(table(blue, green, members=HALF, sticky="header:x-user", feedback="told"))
            first = await ask.get("/shop", headers={"x-user": 'al"ice'})
            await ask.get("/shop", headers={"x-request-id": "mine"})
            # Who chooses the arm is no part of the comparison, nor is who may not ask.
            await ask.get("/shop", headers={"x-mlserve-service": "green"})
            await ask.get("/shop", headers={"authorization": "wrong"})
            await ask.get("/blue", headers={"authorization": "b"})
            await made.publish(table(blue, green, members=HALF, sticky="cookie:visitor", feedback="told"))
            await ask.get("/shop", headers={"cookie": "a=b; visitor=me"})
            newcomer = await ask.get("/shop")
            await made.publish(table(blue, green, members=HALF[:1], feedback="told"))
            await ask.get("/shop")
            found = await lines(made, 4)
            assert [one["caller"] for one in found] == ['al"ice', None, "me", None]
            assert [one["id"] for one in found[:2]] == [first.headers["x-request-id"], "mine"]
            assert newcomer.cookies["visitor"] == found[3]["id"], "its first request is what it is known by"
            assert {(one["route"], one["status"]) for one in found} == {("shop", 200)}
            assert found[0]["cluster"] == first.headers["x-mlserve-served-by"]

    with instances("b", "g") as (blue, green):
        asyncio.run(story(blue.address, green.address))


def test_feedback_goes_to_the_hub_with_the_tokens_of_requests_also_while_nothing_serves(tmp_path: Path) -> None:
    async def story(blue: str, green: str, hub: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            wished = replace(table(blue, green, members=HALF, sticky="cookie:visitor", feedback="told"), hub=hub)
            for served in (wished, replace(wished, routes=tuple(replace(one, members=()) for one in wished.routes))):
                await made.publish(served)
                told = await ask.post("/shop/feedback", content=b"1", headers={FEEDBACK_HEADER: "forged"})
                assert (told.json()["name"], told.json()["path"]) == ("hub", "/api/feedback/shop")
                assert told.json()["headers"][FEEDBACK_HEADER] == "told"
                assert "authorization" not in told.json()["headers"]
                assert (await ask.post("/shop/feedback", headers={"authorization": "wrong"})).status_code == 401
                assert (await ask.post("/shop/feedback", content=b"x" * (2 << 20))).status_code == 413
            assert (await ask.post("/blue/feedback", headers={"authorization": "b"})).json()["name"] == "b"
            await made.publish(replace(wished, hub="127.0.0.1:9"))
            away = await ask.post("/shop/feedback", content=b"1")
            assert (away.status_code, away.json()["code"], away.headers["retry-after"]) == (503, "no-hub", "1")

    with instances("b", "g", "hub") as (blue, green, hub):
        asyncio.run(story(blue.address, green.address, hub.address))


def test_who_sends_feedback_slowly_holds_little_of_the_hub_and_keeps_nobody_from_logging_in(tmp_path: Path) -> None:
    async def story(blue: str, green: str, hub: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            await made.publish(replace(table(blue, green, members=HALF, feedback="told"), hub=hub))
            begun = f"POST /api/predict/shop/feedback HTTP/1.1\r\nhost: h\r\nauthorization: {TOKEN}\r\n"
            opened = [await asyncio.open_connection(*made.address.split(":")) for _ in range(300)]
            for _, writer in opened:
                writer.write(begun.encode() + b"content-length: 10\r\n\r\n{")
            answers = [asyncio.create_task(reader.readline()) for reader, _ in opened]
            try:
                await eventually(lambda: _done(answers, 150))
                assert {task.result().split()[1] for task in answers if task.done()} == {b"503"}
                assert (await ask.get(f"http://{made.address}{LOGIN_PATH}code")).json()["name"] == "hub"
                assert (await ask.get("/shop")).status_code == 200
            finally:
                for _, writer in opened:
                    writer.close()
                await asyncio.gather(*answers, return_exceptions=True)

    with instances("b", "g", "hub") as (blue, green, hub):
        asyncio.run(story(blue.address, green.address, hub.address))


def test_the_file_is_begun_anew_under_load_and_each_request_is_noted_once(tmp_path: Path) -> None:
    async def story(blue: str, green: str) -> None:
        kept = Ledger(tmp_path / "arms.db")
        async with gateway(tmp_path) as made, client(made) as ask:
            notes = Notes(made.noted, kept, made.reopen_logs, large=3000)
            await made.publish(table(blue, green, members=HALF, feedback="told"))
            ids: list[str] = []

            async def load() -> None:
                ids.extend([(await ask.get("/shop")).headers["x-request-id"] for _ in range(60)])

            loads = [asyncio.create_task(load()) for _ in range(4)]
            while not all(task.done() for task in loads):
                await notes.follow()
                await asyncio.sleep(0.02)
            await asyncio.gather(*loads)

            async def all_there() -> bool:
                await notes.follow()
                return sum(n for rows in kept.durations("shop", 0).values() for _, n, _ in rows) == 240

            await eventually(all_there)
            assert made.noted.stat().st_size < 240 * 100, "what was read went"
            assert stat.S_IMODE(made.noted.stat().st_mode) == 0o600
            assert len({key("shop", one) for one in ids}) == 240
        kept.close()

    with instances("b", "g") as (blue, green):
        asyncio.run(story(blue.address, green.address))


def test_requests_go_on_when_no_more_can_be_noted(tmp_path: Path) -> None:
    async def story(blue: str, green: str) -> None:
        async with gateway(tmp_path) as made, client(made) as ask:
            assert made.pid is not None
            assert resource.prlimit(made.pid, resource.RLIMIT_FSIZE) == (LARGEST_FILE, LARGEST_FILE)
            await made.publish(table(blue, green, members=HALF, feedback="told"))
            resource.prlimit(made.pid, resource.RLIMIT_FSIZE, (1000, LARGEST_FILE))

            async def full() -> bool:
                assert (await ask.get("/shop")).status_code == 200
                return made.noted.stat().st_size >= 1000

            await eventually(full)
            pid = made.pid
            for _ in range(50):
                assert (await ask.get("/shop")).status_code == 200
            assert (made.pid, made.noted.stat().st_size) == (pid, 1000)

    with instances("b", "g") as (blue, green):
        asyncio.run(story(blue.address, green.address))
