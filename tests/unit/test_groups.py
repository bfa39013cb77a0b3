"""Who is in a service group, how its requests are shared, and what is refused before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.memory_store import MemoryStore

from mlserve.backends.base import Instance, State
from mlserve.descriptor import parse
from mlserve.errors import Conflict, Forbidden, InvalidDescriptor, InvalidInput, MlserveError, NotFound
from mlserve.gateway.table import Fallback, Route, Target
from mlserve.hub.groups import joining
from mlserve.hub.groups.members import Member, percent, route, shares
from mlserve.hub.groups.records import Group
from mlserve.hub.groups.traffic import Wish, wished
from mlserve.hub.groups.verbs import Groups
from mlserve.hub.limits import Limits
from mlserve.hub.plan import Seen
from mlserve.hub.records import Service, Version
from mlserve.hub.routing import routed, table
from mlserve.hub.wishes import Wishes

SHOP = Group("shop", "secret", 0.0)


def member(name: str, ready: int = 1, targets: tuple[tuple[int, int], ...] = ((1, 100),), **more: Any) -> Member:
    return Member(Route(name, targets, token=name, **more), ready)


def group(**wish: Any) -> Group:
    return Group("shop", "secret", 0.0, **wish)


def test_shares_follow_the_ready_instances_unless_weights_were_set() -> None:
    members = [member("a", 3), member("b", 1)]
    assert shares(SHOP, members) == {"a": 3, "b": 1}
    assert percent(shares(SHOP, members)) == {"a": 75.0, "b": 25.0}
    assert shares(group(weights={"a": 10, "b": 90}), members) == {"a": 10, "b": 90}
    assert shares(group(weights={"a": 100}), members) == {"a": 100, "b": 0}, "who is not named gets nothing"
    assert shares(group(standalone=("a",)), members) == {"a": 0, "b": 1}


def test_where_all_that_had_a_weight_have_left_the_others_take_the_requests() -> None:
    left = group(weights={"a": 0, "b": 0, "gone": 100})
    assert shares(left, [member("a", 2), member("b")]) == {"a": 2, "b": 1}
    assert shares(left, [member("a"), member("gone", 0)]) == {"a": 0, "gone": 0}, "one that is there may come back"
    assert shares(replace(left, standalone=("a",)), [member("a"), member("b")]) == {"a": 0, "b": 1}


def test_who_can_not_answer_gets_nothing_and_the_others_all() -> None:
    for gone in (member("b", 0), member("b", 1, ()), member("b", 1, failed=True)):
        assert shares(group(weights={"a": 10, "b": 90}), [member("a"), gone]) == {"a": 10, "b": 0}
        assert route(SHOP, [member("a"), gone]).shares == (Target("a", 1, 100),)
        assert [name for name, _ in route(SHOP, [member("a"), gone]).pinned] == ["a"]


def test_a_member_in_a_canary_shares_its_part_by_the_canarys_weights() -> None:
    made = route(group(weights={"a": 40, "b": 60}), [member("a", targets=((1, 80), (2, 20))), member("b")])
    assert made.shares == (Target("b", 1, 6000), Target("a", 1, 3200), Target("a", 2, 800))
    assert dict(made.pinned)["a"] == (Target("a", 1, 80), Target("a", 2, 20))


def test_a_group_takes_as_many_requests_a_second_as_its_members_together() -> None:
    assert route(SHOP, [member("a", rate=5), member("b", rate=7)]).rate == 12
    assert route(SHOP, [member("a", rate=5), member("b", 0, rate=7)]).rate == 5
    assert route(SHOP, [member("a", rate=5), member("b")]).rate == 0


def test_a_group_promises_what_all_of_its_members_do() -> None:
    one = member("a", retry=False, timeout_seconds=5, max_body=10, origins=("https://a", "https://b"))
    made = route(SHOP, [one, member("b", timeout_seconds=60, max_body=99, origins=("https://b",))])
    assert (made.retry, made.timeout_seconds, made.max_body, made.origins) == (False, 60, 99, ("https://b",))
    assert (made.token, made.service) == ("secret", "shop")


def test_a_group_takes_signed_requests_where_whoever_gets_them_checks_them() -> None:
    checks, another = member("a", signed=True), member("b", signed=True)
    assert route(SHOP, [checks, another]).signed
    assert not route(SHOP, [checks, member("b")]).signed
    assert route(group(weights={"a": 100}), [checks, member("b")]).signed, "the other one gets none"
    assert not route(SHOP, [member("a", 0, signed=True)]).signed


@pytest.mark.parametrize(
    ("wish", "error", "words"),
    [
        (Wish({"a": 90, "b": 20}), InvalidInput, "the weights add up to 110, not 100 (a=90, b=20)"),
        (Wish({"a": 120, "b": -20}), InvalidInput, "add up to 100, not 100"),
        (Wish({"a": 90, "c": 10}), NotFound, '"c" is no member of "shop" (members: a, b, idle)'),
        (Wish(standalone=["c"]), NotFound, "no member"),
        (Wish({"idle": 100}), Conflict, '"idle" serves nothing now'),
        (Wish({"a": 100}, auto=True), InvalidInput, "not both"),
        (Wish(standalone=["a", "b", "idle"]), InvalidInput, "no member of"),
        (Wish({"a": 100}, standalone=["a"]), InvalidInput, "both get requests and stand alone"),
        (Wish(sticky="user"), InvalidInput, "nothing to stick to"),
        (Wish(sticky="cookie:a b"), InvalidInput, "nothing to stick to"),
    ],
)
def test_traffic_that_makes_no_sense_is_refused(wish: Wish, error: type[MlserveError], words: str) -> None:
    with pytest.raises(error) as caught:
        wished(SHOP, [member("a"), member("b"), member("idle", 0, ())], wish)
    assert words in caught.value.message


def test_traffic_is_set_taken_away_and_given_back() -> None:
    members = [member("a"), member("b")]
    apart = wished(SHOP, members, Wish(standalone=["b"], sticky="header:x-user"))
    assert (apart.standalone, apart.sticky) == (("b",), "header:x-user")
    switched = wished(apart, members, Wish({"b": 100}))
    assert (switched.standalone, switched.weights, switched.sticky) == ((), {"b": 100}, "header:x-user")
    assert wished(switched, members, Wish(sticky="")).sticky == ""
    again = wished(switched, members, Wish(auto=True))
    assert (again.weights, again.standalone) == ({}, ())
    assert wished(group(weights={"gone": 50, "a": 50}), members, Wish(join=["a"])).weights == {"a": 50}


def described(name: str, **metadata: Any) -> Mapping[str, Any]:
    return {"name": name, "command": "x $PORT", "metadata": metadata}


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (described("shop", group="shop"), "/metadata/group"),
        (described("shop", release=True), "/metadata/release"),
        (described("shop", group="No Name"), "/metadata/group"),
    ],
)
def test_a_descriptor_that_makes_no_group_is_refused(raw: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidDescriptor) as caught:
        parse(raw)
    assert [detail["pointer"] for detail in caught.value.details] == [pointer]


def _one_ready(service: Service) -> Seen:
    instance = Instance(f"{service.name}-1", service.name, 1, State.READY, address="127.0.0.1:1")
    return Seen(service, {1: Version(service.name, 1, 0.0, {})}, [instance])


class House:
    """Services in groups, kept in memory; ``groups`` says which."""

    def __init__(self) -> None:
        self.wishes, self.groups = Wishes(MemoryStore()), dict[str, str]()

    def limits(self, name: str, _: int) -> Limits:
        return Limits(group=self.groups.get(name, ""))

    def create(self, name: str, group: str = "", *, release: bool = False, **wish: Any) -> None:
        descriptor = parse(dict(described(name, **({"group": group} if group else {}), release=release))).descriptor
        joining.join(self.wishes, self.limits, descriptor)
        service = Service(name, "t", public=False, resource="local", created_at=0, updated_at=0, serving=1)
        self.wishes.create(service, Version(name, 1, 0.0, {}))
        self.groups[name] = group

    def sights(self) -> list[Seen]:
        return [_one_ready(service) for service in self.wishes.services()]

    def verbs(self) -> Groups:
        return Groups(self.wishes, self.limits, self.sights, lambda: None, "http://gateway")


def test_the_first_member_makes_a_group_and_a_blue_green_one_waits_beside_it() -> None:
    house = House()
    house.create("blue", "shop", release=True)
    house.create("green", "shop", release=True)
    shown = house.verbs().describe("shop")
    assert [(one["service"], one["percent"], one["standalone"]) for one in shown["members"]] == [
        ("blue", 100.0, False),
        ("green", 0.0, True),
    ]
    shown = house.verbs().traffic("shop", Wish({"green": 100}))
    assert [one["percent"] for one in shown["members"]] == [0.0, 100.0]
    assert shown["endpoint"] == "http://gateway/api/predict/shop"
    assert shown["token"] not in ("", "t")
    assert house.verbs().names("shop") == ["shop", "blue", "green"]


def test_a_group_survives_the_hub_and_its_route_is_in_the_table() -> None:
    house, store = House(), MemoryStore()
    house.wishes = Wishes(store)
    house.create("blue", "shop")
    house.create("other")
    (kept,) = Wishes(store).groups()
    made = table(house.sights(), house.limits, "s", groups=[kept])
    (found,) = [route for route in made.routes if route.service == "shop"]
    assert (found.token, found.shares) == (kept.token, (Target("blue", 1, 100),))


def test_an_address_is_either_a_services_or_a_groups() -> None:
    house = House()
    house.create("blue", "shop")
    for name, group, words in (("shop", "", "is a service group"), ("new", "blue", "is a service")):
        with pytest.raises(Conflict) as caught:
            house.create(name, group)
        assert words in caught.value.message
    assert [one.name for one in house.wishes.groups()] == ["shop"]


def test_a_taken_name_changes_nothing_of_its_group() -> None:
    house = House()
    for name in ("blue", "green"):
        house.create(name, "shop")
    with pytest.raises(Conflict):
        house.create("green", "shop", release=True)
    assert house.wishes.groups()[0].standalone == ()


def test_a_version_that_goes_back_takes_no_address_that_is_anothers_by_now() -> None:
    house = House()
    house.create("blue", "shop")
    house.groups["blue"] = ""  # its next version was in none
    house.create("shop")
    former = {**described("blue", group="shop"), "fallback": {"service": "gone"}}
    with pytest.raises(Conflict, match="is a service"):
        joining.back(house.wishes, house.limits, parse(former).descriptor)
    elsewhere = parse({**former, "metadata": {**former["metadata"], "group": "mart"}}).descriptor

    def allowed(name: str) -> None:
        raise Forbidden(name)

    with pytest.raises(Forbidden):
        joining.back(house.wishes, house.limits, elsewhere, allowed)
    joining.back(house.wishes, house.limits, elsewhere)
    assert [one.name for one in house.wishes.groups()] == ["mart", "shop"], "a fallback that is gone is no obstacle"


def test_nobody_joins_a_group_that_is_not_theirs() -> None:
    house = House()
    house.create("blue", "shop")

    def allowed(name: str) -> None:
        raise Forbidden(name)

    with pytest.raises(Forbidden):
        joining.check(house.wishes, house.limits, parse(dict(described("evil", group="shop"))).descriptor, allowed)
    joining.check(house.wishes, house.limits, parse(dict(described("blue", group="shop"))).descriptor, allowed)


def test_an_unknown_group_names_those_that_there_are() -> None:
    house = House()
    house.create("blue", "shop")
    with pytest.raises(NotFound) as caught:
        house.verbs().traffic("stop", Wish(auto=True))
    assert '"stop" (groups: shop)' in caught.value.message


def served(ready: bool = True, **wish: Any) -> list[Seen]:
    """shop, with one instance or none, and lite."""
    wishes = [Service(name, "t", False, "local", created_at=0, updated_at=0, serving=1) for name in ("shop", "lite")]
    found = [_one_ready(service) for service in wishes]
    shop = replace(found[0], service=replace(found[0].service, **wish))
    return [shop if ready else replace(shop, instances=()), found[1]]


def of_shop(name: str, _: int) -> Limits:
    return Limits(fallback="lite", fallback_on=frozenset({"down"})) if name == "shop" else Limits()


def test_a_fallback_is_asked_as_long_as_it_could_answer() -> None:
    shop, lite = table(served(), of_shop, "s").routes
    assert (shop.fallback, lite.fallback) == (Fallback((Target("lite", 1, 100),), frozenset({"down"})), None)
    assert shop.shares == (Target("shop", 1, 100),)
    down = table(served(ready=False), of_shop, "s")
    assert (down.routes[0].shares, down.routes[0].stopped) == ((), False)
    assert routed(down)["shop"] == 1, "it is what should serve, and the loop may rest"
    assert table(served(stopped=True), of_shop, "s").routes[0].fallback is None, "stopped on purpose"
    assert table(served()[:1], of_shop, "s").routes[0].fallback is None
    (shop_cluster,) = [one for one in table(served(), of_shop, "s").clusters if one.service == "shop"]
    assert shop_cluster.backed


@pytest.mark.parametrize(
    ("fallbacks", "ready", "changes", "found"),
    [
        ({"a": "lite", "b": "lite"}, ("a", "b", "lite"), {}, (2, False)),
        ({"a": "lite", "b": "lite"}, ("lite",), {}, (0, True)),
        ({"a": "lite", "b": "lite"}, ("a", "b"), {}, None),
        ({"a": "lite", "b": "other"}, ("a", "b", "lite"), {}, None),
        ({"a": "lite"}, ("a", "b", "lite"), {}, None),
        ({"a": "lite"}, ("a", "b", "lite"), {"standalone": ("b",)}, (1, False)),
        ({"a": "lite", "b": "lite"}, ("a", "b", "lite"), {"sticky": "cookie:arm"}, None),
        ({"a": "lite", "b": "lite"}, ("lite",), {"sticky": "cookie:arm"}, (0, True)),
    ],
)
def test_a_group_falls_back_where_all_of_its_members_name_the_same_service(
    fallbacks: dict[str, str], ready: tuple[str, ...], changes: dict[str, Any], found: tuple[int, bool] | None
) -> None:
    def limits(name: str, _: int) -> Limits:
        on = frozenset({"down", "error"} if name == "a" else {"down"})
        return Limits(group="shop" if name in "ab" else "", fallback=fallbacks.get(name, ""), fallback_on=on)

    def seen(name: str) -> Seen:
        sight = _one_ready(Service(name, "t", False, "local", created_at=0, updated_at=0, serving=1))
        return sight if name in ready else replace(sight, instances=())

    group = replace(Group("shop", "t", 0.0), **changes)
    *_, route = table([seen(name) for name in ("a", "b", "lite")], limits, "s", groups=[group]).routes
    if found is None:
        assert route.fallback is None
        return
    on = {"down"} if "b" in fallbacks else {"down", "error"}
    assert route.fallback == Fallback((Target("lite", 1, 100),), frozenset(on), alone=found[1])
    assert (len(route.shares), route.stopped) == (found[0], False)


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"fallback": {"service": "shop"}}, "/fallback/service"),
        ({"fallback": {"service": "lite", "on": ["overload"]}}, "/fallback/on"),
        ({"fallback": {"service": "lite", "on": []}}, "/fallback/on"),
        ({"fallback": {"service": "lite", "on": ["boredom"]}}, "/fallback/on/0"),
        ({"fallback": {"service": "lite"}, "retry": False}, "/fallback/on"),
        (
            {
                "fallback": {"service": "lite"},
                "networking": {"gateway_policy": {"concurrency_limit": {"enable": True, "limit": 3}}},
            },
            "/fallback/on",
        ),
    ],
)
def test_a_fallback_that_makes_no_sense_is_refused(more: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidDescriptor) as caught:
        parse({**described("shop"), **more})
    assert pointer in [detail["pointer"] for detail in caught.value.details]


def test_a_fallback_has_to_be_there_and_ones_own() -> None:
    house = House()
    descriptor = parse({**described("shop"), "fallback": {"service": "lite"}}).descriptor
    with pytest.raises(InvalidDescriptor) as caught:
        joining.check(house.wishes, house.limits, descriptor)
    assert caught.value.details[0]["pointer"] == "/fallback/service"
    house.create("lite")
    joining.check(house.wishes, house.limits, descriptor)
    asked: list[str] = []
    joining.check(house.wishes, house.limits, descriptor, asked.append)
    assert asked == ["lite"]
