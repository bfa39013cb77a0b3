"""Whom instances may ask: what they are given, when that is renewed, and when it opens nothing any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.contract.memory_store import MemoryStore

from mlserve.backends.base import Instance, State
from mlserve.backends.docker.options import checked
from mlserve.descriptor import parse
from mlserve.errors import GatewayFailed, InvalidDescriptor, InvalidInput, MlserveError
from mlserve.gateway.table import Access
from mlserve.hub.calling.call_tokens import CallTokens, Grant
from mlserve.hub.calling.rules import lifetime, reached, require_reached, unknown, warnings
from mlserve.hub.keys import Keys
from mlserve.hub.plan import Seen
from mlserve.hub.records import Kept, Service, Version
from mlserve.hub.tokens import Tokens
from mlserve.predictor.calling import calls_of
from mlserve.workload import Workload

SHOP = Service("shop", "", public=False, resource="local", created_at=0, updated_at=0, target=1)
GATEWAY = "http://127.0.0.1:8080"


class Desk:
    """The tokens and files of a hub that can be started again, at a time of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.store, self.now = home, MemoryStore(), 1_700_000_000.0
        self.grants: dict[int, Grant] = {1: Grant(("wine", "fraud*"), GATEWAY, 100.0)}
        self.admitted: list[Access] = []
        self.away = False
        self.again()

    def again(self) -> None:
        self.tokens = Tokens(self.store, Keys(self.home / "keys"), "desk")
        self.call_tokens = CallTokens(self.home, self.tokens, self.admit, lambda _, number: self.grants.get(number))

    async def admit(self, access: Access) -> None:
        if self.away:
            raise GatewayFailed("it is away")
        self.admitted.append(access)

    def follow(self, *sights: Seen, after: float = 0.0) -> None:
        self.now += after
        asyncio.run(self.call_tokens.follow(sights, self.now))

    def said(self, version: int = 1) -> dict[str, Any]:
        return dict(json.loads((self.home / "calls" / f"shop@{version}.json").read_text()))

    @property
    def there(self) -> set[str]:
        return {file.stem for file in (self.home / "calls").glob("*")}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path)
    monkeypatch.setattr("time.time", lambda: made.now)
    return made


def seen(*instances: Instance, **changes: object) -> Seen:
    versions = {number: Version("shop", number, 0, {}) for number in (1, 2)}
    return Seen(replace(SHOP, **changes), versions, instances)  # type: ignore[arg-type]


def instance(version: int, state: State = State.READY) -> Instance:
    return Instance(f"shop-{version}", "shop", version, state, address="127.0.0.1:9000")


def test_a_version_finds_the_gateway_the_addresses_and_a_token_in_its_file(desk: Desk) -> None:
    desk.follow(seen())
    said = desk.said()
    assert (said["gateway"], said["services"]["wine"]) == (GATEWAY, f"{GATEWAY}/api/predict/wine")
    (token,) = desk.tokens.made(desk.now)
    assert (token.scopes, token.services, token.made_for) == (("evaluate",), ("fraud*", "wine"), "shop@1")
    assert token.expires_at == desk.now + 100
    assert desk.tokens.all() == [], "nobody asked for it"
    given = desk.call_tokens.given(Workload("shop", 1, 1))
    calls = calls_of(given.environment)
    assert calls is not None
    assert (calls.token, calls.endpoint("wine")) == (said["token"], f"{GATEWAY}/api/predict/wine")


def test_a_container_is_brought_what_the_file_says(desk: Desk) -> None:
    desk.follow(seen())
    given = desk.call_tokens.given(Workload("shop", 1, 1, image="shop:1", told={"access.json": "a"}))
    assert given.environment == {"MLSERVE_CALLS": "/run/mlserve/calls.json"}
    assert given.told == {"access.json": "a", "calls.json": str(desk.home / "calls" / "shop@1.json")}
    assert json.loads(desk.call_tokens.text("shop", 1)) == desk.said()
    assert desk.call_tokens.given(Workload("wine", 1, 1)) == Workload("wine", 1, 1)
    assert desk.call_tokens.text("wine", 1) == ""


def test_a_token_is_renewed_after_half_of_its_time_and_the_gateway_knows_before_it_is_sent(desk: Desk) -> None:
    desk.follow(seen())
    first = desk.said()
    desk.follow(seen(), after=49)
    assert (desk.said(), len(desk.admitted)) == (first, 1)
    desk.away = True
    with pytest.raises(GatewayFailed):
        desk.follow(seen(), after=2)
    assert desk.said() == first
    for _ in range(3):
        with pytest.raises(GatewayFailed):
            desk.follow(seen())
    assert len(desk.tokens.made(desk.now)) == 2, "one is made, however often the gateway is asked"
    desk.away = False
    desk.follow(seen())
    assert desk.said() != first
    assert desk.admitted[-1].revoked == frozenset(), "what is under way with the former one goes on"


def test_a_new_key_signs_another_token_at_once(desk: Desk) -> None:
    desk.follow(seen())
    first = desk.said()
    desk.tokens.rotate(desk.now)
    asyncio.run(desk.call_tokens.renew(desk.now))
    assert desk.said() != first
    desk.tokens.remove_old()
    second = desk.said()
    desk.follow(seen())
    assert desk.said() == second


def test_the_next_hub_goes_on_with_the_token_that_is_there(desk: Desk) -> None:
    desk.follow(seen())
    first = desk.said()
    desk.again()
    asyncio.run(desk.call_tokens.renew(desk.now))
    assert len(desk.tokens.made(desk.now)) == 1, "before it has looked it takes nothing away"
    desk.follow(seen())
    assert desk.said() == first
    (desk.home / "calls" / "shop@1.json").write_text("{")
    desk.again()
    desk.follow(seen())
    assert desk.said()["id"] != first["id"]


@pytest.mark.parametrize(
    ("sights", "left"),
    [
        ([], set()),
        ([seen(target=2, serving=2)], {"shop@2"}),
        ([seen(target=2, serving=1)], {"shop@1", "shop@2"}),
        ([seen(instance(1, State.DRAINING), target=2, serving=2)], {"shop@1", "shop@2"}),
        ([seen(instance(1, State.STOPPED), target=2, serving=2)], {"shop@2"}),
        ([seen(target=2, serving=2, kept=Kept(1, 1, 0.0))], {"shop@1", "shop@2"}),
        ([seen(instance(1), deleting=True)], {"shop@1"}),
        ([seen(deleting=True)], set()),
    ],
)
def test_a_token_ends_with_the_version_it_was_made_for(desk: Desk, sights: Sequence[Seen], left: set[str]) -> None:
    desk.grants[2] = desk.grants[1]
    desk.follow(seen())
    first = desk.said()["id"]
    desk.follow(*sights)
    assert desk.there == left
    assert {token.made_for for token in desk.tokens.made(desk.now)} == left
    assert (first in desk.admitted[-1].revoked) == ("shop@1" not in left)


def test_other_names_or_another_gateway_are_told_at_once(desk: Desk) -> None:
    desk.follow(seen())
    first = desk.said()
    desk.grants[1] = Grant(("wine",), GATEWAY, 100.0)
    desk.follow(seen())
    assert (set(desk.said()["services"]), desk.admitted[-1].revoked) == ({"wine"}, {first["id"]})
    desk.grants[1] = Grant(("wine",), "http://127.0.0.1:9090", 100.0)
    desk.follow(seen())
    assert desk.said()["gateway"] == "http://127.0.0.1:9090"


def test_names_that_nobody_has_are_warned_of() -> None:
    calls = ("wine", "fraud*", "shop", "bee*", "*")
    assert unknown(calls, {"wine", "fraud-a"}) == ["shop", "bee*"]
    assert [(one["pointer"], one["code"]) for one in warnings(calls, {"wine", "fraud-a"})] == [
        ("/calls/2", "unknown-service"),
        ("/calls/3", "unknown-service"),
    ]


@pytest.mark.parametrize(
    ("gateway", "contained", "options", "found"),
    [
        (GATEWAY, False, {}, GATEWAY),
        ("http://0.0.0.0:80", False, {}, "http://127.0.0.1:80"),
        (GATEWAY, True, {}, ""),
        ("http://localhost:80", True, {}, ""),
        ("http://0.0.0.0:80", True, {}, ""),
        ("https://gpu-box:8443", True, {}, "https://gpu-box:8443"),
        ("http://10.0.0.5:80", True, {}, "http://10.0.0.5:80"),
        (GATEWAY, True, {"gateway": "http://10.0.0.5:80/"}, "http://10.0.0.5:80"),
    ],
)
def test_instances_get_the_address_by_which_they_reach_the_gateway(
    gateway: str, contained: bool, options: dict[str, str], found: str
) -> None:
    assert reached(gateway, contained=contained, options=options) == found


def test_a_container_that_can_not_reach_the_gateway_is_refused_with_the_reason() -> None:
    raw = {"name": "shop", "command": "a $PORT", "calls": ["wine"]}
    descriptor = parse(raw).descriptor
    with pytest.raises(InvalidDescriptor, match="can't reach the gateway") as caught:
        require_reached(descriptor, "", "box")
    assert "--option gateway=" in caught.value.hint
    require_reached(descriptor, GATEWAY, "box")
    require_reached(parse({**raw, "calls": []}).descriptor, "", "box")
    with pytest.raises(InvalidInput, match="is an address"):
        checked({"gateway": "gpu-box:80"})


@pytest.mark.parametrize("name", ["Wine", "wine@1", "a/b", "**", "w*ne", "", "https://x"])
def test_only_names_can_be_named(name: str) -> None:
    with pytest.raises(InvalidDescriptor):
        parse({"name": "shop", "command": "a $PORT", "calls": [name]})


def test_how_long_a_token_lives_is_a_time() -> None:
    assert (lifetime(""), lifetime("1h30m"), lifetime("10")) == (86_400, 5400, 10)
    for wrong in ("soon", "9s", "-1", "nan"):
        with pytest.raises(InvalidInput, match="MLSERVE_CALL_TOKEN"):
            lifetime(wrong)


def test_what_can_not_be_read_is_told_and_what_was_read_stays(tmp_path: Path) -> None:
    assert calls_of({}) is None
    file = tmp_path / "calls.json"
    calls = calls_of({"MLSERVE_CALLS": str(file)})
    assert calls is not None
    with pytest.raises(MlserveError, match="can't be read"):
        calls.endpoint("wine")
    steps: list[tuple[Callable[[], object], str]] = [
        (lambda: file.write_text(json.dumps({"gateway": "", "token": "one"})), "one"),
        (lambda: file.write_text(json.dumps({"gateway": "", "token": "second"})), "second"),
        (file.unlink, "second"),
    ]
    for step, token in steps:
        step()
        assert calls.token == token
    with pytest.raises(MlserveError, match="can't reach the gateway"):
        calls.endpoint("wine")
    assert "second" not in repr(vars(calls))
