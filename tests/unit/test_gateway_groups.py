"""Groups, pins, private addresses and fallbacks as Envoy is told of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mlserve.gateway.rendering import Rendered, render, steps
from mlserve.gateway.table import Cluster, Fallback, Mirror, Route, Table, Target

MEMBERS = Target("blue", 1, 90), Target("green", 3, 10)


def routes_at(table: Table, name: str) -> list[dict[str, Any]]:
    host = json.loads(render(table).routes)["virtual_hosts"][0]
    found: list[dict[str, Any]] = host["matcher"]["matcher_tree"]["prefix_match_map"]["map"][f"/api/predict/{name}"][
        "action"
    ]["typed_config"]["routes"]
    return found


def tried(route: dict[str, Any]) -> list[list[tuple[str, int]]]:
    groups = route["route"]["inline_cluster_specifier_plugin"]["extension"]["typed_config"]["priority_groups"]
    return [[(one["cluster_name"], one["weight"]) for one in group["clusters"]] for group in groups]


def named(routes: list[dict[str, Any]], header: str, value: str) -> list[dict[str, Any]]:
    """The routes that want this header with this value."""
    wanted = {"name": header, "string_match": {"exact": value}}
    return [route for route in routes if wanted in route["match"].get("headers", [])]


def test_a_groups_requests_are_shared_by_its_members_and_each_stands_in_for_the_other() -> None:
    *_, main = routes_at(Table((), (Route("shop", (), members=MEMBERS),)), "shop")
    assert tried(main) == [[("blue/1", 90), ("green/3", 10)], [("blue/1", 1)], [("green/3", 1)]]
    assert main["route"]["regex_rewrite"]["pattern"]["regex"] == "^/api/predict/shop/*"


def test_a_groups_second_member_is_asked_before_its_fallback() -> None:
    lite = Fallback((Target("lite", 2),), frozenset({"down"}))
    *_, main = routes_at(Table((), (Route("shop", (), members=MEMBERS, fallback=lite),)), "shop")
    shared = [("blue/1", 90), ("green/3", 10)]
    assert tried(main) == [shared, [("blue/1", 1)], [("green/3", 1)], [("lite/2~fallback~shop", 1)]]
    assert main["route"]["retry_policy"]["num_retries"] == 3


def test_a_sticky_group_shares_by_what_callers_say() -> None:
    for sticky, wanted in (
        ("header:x-user", {"header": {"header_name": "x-user"}}),
        ("cookie:arm", {"cookie": {"name": "arm"}}),
    ):
        *_, main = routes_at(Table((), (Route("shop", (), members=MEMBERS, sticky=sticky),)), "shop")
        assert main["route"]["hash_policy"] == [
            wanted | {"terminal": True},
            {"header": {"header_name": "x-request-id"}},
        ]
        specifier = main["route"]["inline_cluster_specifier_plugin"]["extension"]["typed_config"]
        assert specifier["use_hash_policy"] is True
        assert tried(main) == [[("blue/1", 90), ("green/3", 10)], [("blue/1", 1)], [("green/3", 1)]]


def test_a_sticky_caller_is_moved_by_other_weights_as_rarely_as_can_be() -> None:
    turned = Target("green", 3, 90), Target("blue", 1, 10)
    *_, main = routes_at(Table((), (Route("shop", (), members=turned, sticky="header:x-user"),)), "shop")
    assert tried(main)[:2] == [[("blue/1", 10), ("green/3", 90)], [("green/3", 1)]], "in the order of their names"


def test_a_member_is_asked_by_name_also_without_a_share_and_another_name_is_refused() -> None:
    pinned = ("blue", (Target("blue", 1),)), ("green", (Target("green", 3),))
    route = Route("shop", (), token="t", members=MEMBERS[:1], pinned=pinned)
    routes = routes_at(Table((), (route,)), "shop")
    assert {one["route"]["cluster"] for one in named(routes, "x-mlserve-service", "green")} == {"green/3"}
    refused = next(one for one in routes if one.get("direct_response", {}).get("status") == 591)
    names = [header.get("name") for header in refused["match"]["headers"]]
    assert names == ["authorization", *["x-mlserve-service"] * 3], "only who has the token is told"


def test_each_of_two_versions_is_asked_by_header_and_at_an_address_of_its_own() -> None:
    clusters = Cluster("iris", 1, ("127.0.0.1:1",)), Cluster("iris", 2, ("127.0.0.1:2",))
    table = Table(clusters, (Route("iris", ((1, 100),), token="t"),))
    pinned = named(routes_at(table, "iris"), "x-mlserve-version", "2")
    assert {one["route"]["cluster"] for one in pinned} == {"iris/2"}
    *open_to_some, denied = routes_at(table, "iris@2")
    assert denied["direct_response"] == {"status": 401}
    assert {one["route"]["cluster"] for one in open_to_some} == {"iris/2"}
    main = open_to_some[-1]
    assert main["route"]["regex_rewrite"]["pattern"]["regex"] == "^/api/predict/iris@2/*"


def test_a_member_has_the_name_that_clients_of_eas_know_it_by_too() -> None:
    wine = Route("wine", ((1, 1),), token="t", group="shop", signed=True, direct=(("10.0.0.1:9001", 100),))
    table = Table((Cluster("wine", 1),), (wine,))
    *open_to_some, denied = routes_at(table, "shop.wine")
    assert denied["direct_response"] == {"status": 401}
    assert {one["route"]["cluster"] for one in open_to_some if "route" in one} == {"wine/1"}
    assert named_prefix(open_to_some, "EAS ")
    told = json.loads(render(table).routes)["virtual_hosts"][0]["matcher"]["matcher_tree"]["prefix_match_map"]["map"]
    assert "/api/v1/servicediscovery/upstreams/shop.wine" in told


def test_a_version_alone_needs_no_address_of_its_own() -> None:
    table = Table((Cluster("iris", 1, ("127.0.0.1:1",)),), (Route("iris", ((1, 100),)),))
    assert "iris@1" not in render(table).routes


def test_routes_leave_a_cluster_before_it_is_empty() -> None:
    both = Table(
        (Cluster("blue", 1, ("127.0.0.1:1",)), Cluster("green", 3, ("127.0.0.1:2",))),
        (Route("shop", (), members=MEMBERS),),
    )
    one = Table((Cluster("blue", 1), Cluster("green", 3, ("127.0.0.1:2",))), (Route("shop", (), members=MEMBERS[1:]),))
    left, emptied = steps(render(both), render(one))
    assert (left.kind, emptied.kind, emptied.pause > 0.2) == ("rds", "cds", True), "a last try may still be under way"
    assert [step.kind for step in steps(Rendered(), render(one))][-2:] == ["cds", "rds"]


LITE = Fallback((Target("lite", 4),), frozenset({"down", "overload"}))
SHOP_AND_LITE = Cluster("shop", 1, ("127.0.0.1:1",), backed=True), Cluster("lite", 4, ("127.0.0.1:2",))


def test_the_fallback_is_asked_after_two_tries_by_a_cluster_that_marks_its_answers() -> None:
    table = Table(SHOP_AND_LITE, (Route("shop", ((1, 100),), fallback=LITE), Route("lite", ((4, 100),))))
    *_, main = routes_at(table, "shop")
    assert tried(main) == [[("shop/1", 100)], [("shop/1", 1)], [("lite/4~fallback~shop", 1)]]
    assert main["route"]["retry_policy"]["num_retries"] == 2
    assert "per_try_timeout" not in main["route"]["retry_policy"]
    marked = render(table).clusters["lite/4~fallback~shop"]
    assert '"x-mlserve-fallback"' in marked
    assert "header_mutation" not in render(table).clusters["lite/4"]


def test_a_service_without_instances_has_its_requests_answered_by_the_fallback_alone() -> None:
    route = Route("shop", ((1, 100),), token="t", failed=True, fallback=replace(LITE, alone=True))
    *_, main, denied = routes_at(Table(SHOP_AND_LITE[1:], (route,)), "shop")
    assert main["route"]["cluster"] == "lite/4~fallback~shop"
    assert denied["direct_response"] == {"status": 401}


def test_what_names_a_version_and_what_the_hub_asks_is_answered_by_that_version_or_not_at_all() -> None:
    clusters = *SHOP_AND_LITE, Cluster("shop", 2, ("127.0.0.1:3",))
    table = Table(clusters, (Route("shop", ((1, 100),), fallback=LITE),), "secret")
    routes = routes_at(table, "shop")
    asked = named(routes, "x-mlserve-version", "2")
    assert len(asked) == 3, "the hub's probe, a WebSocket and any other"
    assert {one["route"]["cluster"] for one in asked} == {"shop/2"}
    assert "fallback" not in json.dumps(routes_at(table, "shop@2"))


@pytest.mark.parametrize(
    ("on", "conditions", "statuses"),
    [
        ({"down"}, {"connect-failure"}, None),
        ({"down", "overload"}, {"retriable-headers", "resource-exhausted"}, None),
        ({"down", "error"}, {"retriable-status-codes", "internal"}, [500, 501, 502, 507]),
        ({"down", "error", "overload"}, {"retriable-status-codes"}, [500, 501, 502, 507, 503]),
        ({"down", "timeout"}, {"deadline-exceeded", "retriable-status-codes"}, [504]),
    ],
)
def test_what_counts_as_no_answer_is_what_the_descriptor_says(
    on: set[str], conditions: set[str], statuses: list[int] | None
) -> None:
    fallback = replace(LITE, on=frozenset(on))
    route = Route("shop", ((1, 100),), fallback=fallback, timeout_seconds=2)
    *_, main = routes_at(Table(SHOP_AND_LITE, (route,)), "shop")
    policy = main["route"]["retry_policy"]
    assert conditions <= set(policy["retry_on"].split(","))
    assert ("retriable-headers" in policy["retry_on"]) is ("overload" in on)
    assert policy.get("retriable_status_codes") == statuses
    times = policy.get("per_try_timeout"), main["route"]["idle_timeout"]
    assert times == (("2.000s", "6.000s") if "timeout" in on else (None, "2.000s"))


def test_any_number_of_requests_may_go_to_others_where_there_are_some() -> None:
    for backed, least in ((True, 10000), (False, 20)):
        made = json.loads(render(Table((Cluster("shop", 1, backed=backed),))).clusters["shop/1"])
        (limits,) = made["circuit_breakers"]["thresholds"]
        assert limits["retry_budget"]["min_retry_concurrency"] == least


def test_a_mirror_hears_copies_and_holds_little() -> None:
    route = Route("shop", ((1, 100),), token="t", mirror=Mirror(Target("lite", 4), 25))
    table = Table(SHOP_AND_LITE, (route, Route("lite", ((4, 100),))), "secret")
    heard = [
        one["route"]["request_mirror_policies"]
        for one in routes_at(table, "shop")
        if "request_mirror_policies" in json.dumps(one)
    ]
    assert heard
    assert all(policy["cluster"] == "lite/4~mirror~shop" for (policy,) in heard)
    assert heard[0][0]["runtime_fraction"]["default_value"] == {"numerator": 25, "denominator": "HUNDRED"}
    probe = routes_at(table, "shop")[0]
    assert "request_mirror_policies" not in probe["route"], "nor what the hub asks, nor WebSockets"
    (limits,) = json.loads(render(table).clusters["lite/4~mirror~shop"])["circuit_breakers"]["thresholds"]
    assert (limits["max_requests"], limits["max_pending_requests"]) == (64, 64)


def test_instances_that_check_tokens_know_the_gateway_by_whatever_name_their_service_was_asked() -> None:
    spare = Fallback((Target("lite", 1),), frozenset({"error"}))
    blue = Route("blue", ((1, 1),), token="t", secret="s", fallback=spare, mirror=Mirror(Target("shadow", 2), 10))
    group = Route("shop", (), members=MEMBERS, pinned=(("idle", (Target("idle", 1),)),))
    assert blue.heard_by == {"blue", "lite", "shadow"}
    assert group.heard_by == {"blue", "green", "idle"}
    ways = routes_at(Table((), (blue,)), "blue")
    sent = [one for one in ways if "route" in one]
    assert sent
    assert all(one["request_headers_to_add"][0]["header"]["value"] == "s" for one in sent)


def test_a_signed_request_goes_to_no_other_service_which_could_not_check_it() -> None:
    spare = Fallback((Target("lite", 1),), frozenset({"error"}), alone=True)
    for targets, wanted in (((1, 1),), "route"), ((), "direct_response"):
        blue = Route("blue", targets, token="t", secret="s", signed=True, fallback=spare)
        (way,) = named_prefix(routes_at(Table((Cluster("blue", 1),), (blue,)), "blue"), "EAS ")
        assert wanted in way
        assert "lite" not in json.dumps(way)


def test_a_signed_request_to_a_group_goes_to_its_members_as_it_came() -> None:
    spare = Fallback((Target("lite", 1),), frozenset({"error"}))
    group = Route("shop", (), token="t", members=MEMBERS, secret="a,b", signed=True, fallback=spare, feedback="f")
    (way,) = named_prefix(routes_at(Table((), (group,)), "shop"), "EAS ")
    assert all(f"{member.service}/{member.version}" in json.dumps(way) for member in MEMBERS)
    assert "lite" not in json.dumps(way)
    assert way["request_headers_to_remove"] == ["x-mlserve-gateway"]
    assert "request_headers_to_add" not in way
    assert "header_to_metadata" in json.dumps(way), "it counts for its arm as any other one does"


def named_prefix(routes: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    """The routes for requests whose token begins so."""
    wanted = {"name": "authorization", "string_match": {"prefix": prefix}}
    return [route for route in routes if wanted in route["match"].get("headers", [])]
