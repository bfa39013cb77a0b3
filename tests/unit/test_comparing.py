"""What the gateway copies to the hub, what the hub asks again, and what comes of it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlserve.backends.base import Instance, State
from mlserve.gateway.recording import COMPARED_HEADER
from mlserve.gateway.rendering import render
from mlserve.gateway.table import Mirror as Heard
from mlserve.gateway.table import Route, Table
from mlserve.gateway.table import Target as At
from mlserve.hub.comparing.answers import Rules
from mlserve.hub.comparing.comparisons import Comparisons
from mlserve.hub.comparing.pairs import pairs, with_copies
from mlserve.hub.comparing.recorder import recording
from mlserve.hub.comparing.replay import MOST, Copy
from mlserve.hub.figures import with_answers
from mlserve.hub.limits import Limits
from mlserve.hub.records import Mirror, Service, Version
from mlserve.hub.releases.records import Counted, Gates, Phase, Release, Strategy
from mlserve.hub.releases.step import Measured
from mlserve.hub.seen import Seen


@dataclass
class Program:
    """A server that answers as it is told, and keeps what it was asked."""

    label: str = "cat"
    status: int = 200
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    address: str = ""

    @contextmanager
    def serving(self) -> Iterator[Program]:
        program = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                program.asked.append((self.command, self.path, dict(self.headers.items()), body))
                self.send_response(program.status)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps({"label": program.label}).encode())

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "{}:{}".format(*server.server_address)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


RELEASE = Release(Strategy.CANARY, 1, 2, 5.0, gates=Gates(max_different_percent=5), phase=Phase.JUDGING)


def seen(name: str = "shop", release: Release | None = None, mirror: str = "", **addresses: str) -> Seen:
    """``addresses``: of the instance of ``v1``, ``v2``."""
    service = Service(
        name, "t", public=False, resource="local", created_at=0, updated_at=0, serving=1, release=release,
        mirror=Mirror(mirror, 100) if mirror else None,
    )  # fmt: skip
    versions = {number: Version(name, number, 0.0, {}, served=True) for number in (1, 2)}
    instances = [Instance(f"{name}-{v}", name, int(v[1:]), State.READY, address=at) for v, at in addresses.items()]
    return Seen(service, versions, instances)


def limits(service: str, number: int) -> Limits:
    return Limits(retry=service != "once")


def made(*sights: Seen, rules: Rules | None = None) -> Comparisons:
    comparisons = Comparisons(limits, lambda _, __: rules or Rules())
    comparisons.follow(sights)
    return comparisons


COPY = Copy("POST", b"/eval?a=1", ((b"host", b"h"), (b"x-request-id", b"r1"), (b"accept-encoding", b"gzip")), b"{}")
BOTH = {"v1": "127.0.0.1:1", "v2": "127.0.0.1:2"}


@pytest.mark.parametrize(
    ("sight", "what"),
    [
        (seen(release=RELEASE, **BOTH), ["release"]),
        (seen(**BOTH), []),
        (seen(release=replace(RELEASE, gates=Gates(max_error_percent=1)), **BOTH), []),
        (seen(release=replace(RELEASE, phase=Phase.FAILED), **BOTH), []),
        (seen(release=replace(RELEASE, phase=Phase.RETURNING), **BOTH), []),
        (seen(release=RELEASE, v1="127.0.0.1:1"), []),
        (seen("once", release=RELEASE, **BOTH), []),
        (seen(mirror="next", **BOTH), ["mirror"]),
        (seen(mirror="next", release=RELEASE, **BOTH), ["release", "mirror"]),
        (seen(mirror="once", **BOTH), []),
        (seen(mirror="nobody", **BOTH), []),
    ],
)
def test_what_is_compared_depends_on_what_is_wished_and_there(sight: Seen, what: list[str]) -> None:
    others = {"next": seen("next", v1="127.0.0.1:3"), "once": seen("once", v1="127.0.0.1:4")}
    assert [one.what for one in pairs(sight, {**others, sight.service.name: sight}, limits)] == what


def test_a_version_that_has_not_proven_itself_or_failed_is_not_asked() -> None:
    sight = seen(release=RELEASE, **BOTH)
    for changes in ({"served": False}, {"failure": {"reason": "bad"}}):
        changed = replace(sight, versions={**sight.versions, 2: replace(sight.versions[2], **changes)})
        assert pairs(changed, {"shop": changed}, limits) == []


def test_the_gateway_copies_what_is_compared_also_by_way_of_a_group_and_nothing_else() -> None:
    routes = [
        Route("shop", ((1, 80), (2, 20)), token="t", signed=True),
        Route("next", ((1, 100),), token="t"),
        Route("all", (), token="t", members=(At("shop", 1), At("next", 1))),
    ]
    sights = [seen(release=RELEASE, mirror="next", **BOTH), seen("next", v1="127.0.0.1:3")]
    table = with_copies(Table(routes=tuple(routes), probe_secret="s"), sights, limits, "/run/copies.sock")
    assert {one.service: one.compared for one in table.routes} == {
        "shop": ("shop/release", "shop/mirror"), "next": (), "all": ("shop/release",),
    }  # fmt: skip
    rendered = render(table)
    assert set(rendered.clusters) == {"~compared~shop", "~compared~all"}
    cluster = json.loads(rendered.clusters["~compared~shop"])
    assert cluster["circuit_breakers"]["thresholds"] == [
        {"max_connections": 4, "max_pending_requests": 4, "max_requests": 4}
    ]
    assert rendered.routes.count('"cluster":"~compared~shop"') == 2, "its token, a browser; no signed request"
    mirrored = replace(routes[0], mirror=Heard(At("next", 1), 25))
    (alone,) = with_copies(Table(routes=(mirrored,)), [seen(mirror="next", **BOTH), sights[1]], limits, "/run/x").routes
    assert (alone.compared, alone.compared_percent) == (("shop/mirror",), 25)
    for quiet in (with_copies(table, sights, limits, ""), with_copies(table, [seen(**BOTH)], limits, "/run/x")):
        assert (quiet.recorder, {one.compared for one in quiet.routes}) == ("", {()})
        assert "~compared~" not in render(quiet).routes


def test_both_sides_are_asked_the_same_and_what_differs_is_counted() -> None:
    with Program("cat").serving() as old, Program("dog").serving() as new:
        sight = seen(release=RELEASE, v1=old.address, v2=new.address)
        comparisons = made(sight)
        asyncio.run(comparisons.take(["shop/release"], COPY))
        new.label = "cat"
        asyncio.run(comparisons.take(["shop/release"], COPY))
        asyncio.run(comparisons.take(["shop/mirror", "gone/release"], COPY))
    assert old.asked == new.asked
    method, path, headers, body = new.asked[0]
    assert (method, path, body, len(new.asked)) == ("POST", "/eval?a=1", b"{}", 2)
    assert (headers["x-mlserve-mirrored"], headers["x-request-id"]) == ("shop", "r1")
    assert not {"accept-encoding", "transfer-encoding", COMPARED_HEADER} & {name.lower() for name in headers}
    report = comparisons.of_release(sight.service)
    assert report is not None
    assert (report.compared, report.different, report.flipped, report.unanswered) == (2, 1, 1, 0)
    measured = with_answers(Measured({1: Counted(9)}), sight, report)
    assert (measured.of(2).compared, measured.of(2).different, measured.of(1), measured.answers) == (
        2,
        1,
        Counted(9),
        report,
    )
    later = replace(sight.service, release=replace(RELEASE, started_at=6.0))
    assert comparisons.of_release(later) is None, "the next release begins anew"
    comparisons.follow([])
    assert comparisons.of_release(sight.service) is None


def test_a_mirror_is_compared_with_whom_it_mirrors() -> None:
    with Program("cat").serving() as old, Program("dog").serving() as new:
        sight = seen(mirror="next", v1=old.address)
        comparisons = made(sight, seen("next", v1=new.address), rules=Rules(ignore=frozenset({"label"})))
        asyncio.run(comparisons.take(["shop/mirror"], COPY))
        report = comparisons.of_mirror(sight.service)
        assert report is not None
        assert (report.compared, report.different) == (1, 0), "by the words of the one that is mirrored"


def test_who_is_busy_or_gone_is_counted_as_not_answering() -> None:
    with Program(status=503).serving() as busy, Program().serving() as well:
        for pair in ({"v1": well.address, "v2": busy.address}, {"v1": "127.0.0.1:1", "v2": well.address}):
            sight = seen(release=RELEASE, **pair)
            comparisons = made(sight)
            asyncio.run(comparisons.take(["shop/release"], COPY))
            report = comparisons.of_release(sight.service)
            assert report is not None
            assert (report.compared, report.unanswered) == (0, 1)


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, True),
        ({"method": "GET"}, True),
        ({"method": "GET", "path": b"/metrics"}, False),
        ({"method": "DELETE"}, False),
        ({"path": b"/v2/repository/models/a/load"}, False),
        ({"body": b'{"parameters": {"sequence_id": 7}}'}, False),
    ],
)
def test_only_questions_are_asked_again(changes: dict[str, Any], again: bool) -> None:
    assert replace(COPY, **changes).repeatable is again


def test_copies_arrive_at_a_socket_and_are_answered_when_they_are_dealt_with(tmp_path: Path) -> None:
    at = tmp_path / "copies.sock"
    at.write_text("of the hub before")
    came: list[tuple[list[str], Copy]] = []

    async def take(wished: list[str], copy: Copy) -> None:
        came.append((wished, copy))

    async def story() -> None:
        async with recording(at, take), httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(at))) as ask:
            headers = {COMPARED_HEADER: "shop/release,shop/mirror", "x-request-id": "r1"}
            begun = time.monotonic()
            answer = await ask.post("http://h/a%2Fb?c=%20d", content=b"body", headers=headers)
            assert (answer.status_code, time.monotonic() - begun >= 0.2) == (204, True)
            await _large(ask)
        assert not at.exists()

    asyncio.run(story())
    ((wished, copy),) = came
    assert (wished, copy.method, copy.path, copy.body) == (
        ["shop/release", "shop/mirror"], "POST", b"/a%2Fb?c=%20d", b"body",
    )  # fmt: skip
    assert copy.id == "r1"


async def _large(ask: httpx.AsyncClient) -> None:
    """What is too large is taken to nobody; its connection may end before all of it was sent."""
    try:
        answer = await ask.post("http://h/", content=bytes(MOST + 1))
    except httpx.WriteError:
        return
    assert answer.status_code == 204


def test_a_copy_that_breaks_off_is_taken_to_nobody(tmp_path: Path) -> None:
    came: list[bytes] = []

    async def take(_: list[str], copy: Copy) -> None:
        came.append(copy.body)

    async def story() -> None:
        async with recording(tmp_path / "c.sock", take):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "c.sock")
            writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nhalf")
            await writer.drain()
            writer.close()
            transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / "c.sock"))
            async with httpx.AsyncClient(transport=transport) as ask:
                assert (await ask.post("http://h/", content=b"x")).status_code == 204
            await reader.read()

    asyncio.run(story())
    assert came == [b"x"]
