"""Who is told where a service's instances are, and how requests reach instances that check tokens themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlserve.backends.base import Instance, State
from mlserve.gateway.rendering import render
from mlserve.gateway.table import Access, Cluster, Route, Table
from mlserve.gateway.vouching import GATEWAY_HEADER
from mlserve.hub.admission import Admission
from mlserve.hub.direct import LIMITED, UNCHECKED
from mlserve.hub.groups.records import Group
from mlserve.hub.limits import Limits
from mlserve.hub.plan import Seen
from mlserve.hub.records import Service, Version
from mlserve.hub.routing import table

WISH = Service("iris", "secret", public=False, resource="local", created_at=0, updated_at=0, serving=1)
CHECKING = Limits(checks=True, secret="known")
UNABLE = Limits()
PATHS = ("/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/iris", "/api/v1/servicediscovery/upstreams/iris")


def one(number: int, port: int, state: State = State.READY, *, checks: bool = True) -> Instance:
    facts = {"checks_tokens": True} if checks else {}
    return Instance(f"i-{port}", "iris", number, state, address=f"127.0.0.1:{port}", facts=facts)


def route(*instances: Instance, limits: dict[int, Limits] | None = None, **wish: Any) -> Route:
    versions = {number: Version("iris", number, 0, {}) for number in (1, 2)}
    known = limits or {}
    seen = Seen(replace(WISH, **wish), versions, instances)
    made = table([seen], lambda _, number: known.get(number, CHECKING), "probe")
    return made.routes[0]


def test_requests_to_several_services_carry_what_each_of_them_knows_the_gateway_by() -> None:
    """So nothing has to reach an instance before it joins a group or answers for another service."""
    limits = {"iris": CHECKING, "wine": Limits(checks=True, secret="of-wine"), "page": UNABLE}
    members = {name: replace(limit, group="shop") for name, limit in limits.items()}
    sights = [
        Seen(
            replace(WISH, name=name),
            {1: Version(name, 1, 0, {})},
            [replace(one(1, 9000 + number), service=name)],
        )
        for number, name in enumerate(members)
    ]
    made = table(sights, lambda name, _: members[name], "probe", groups=[Group("shop", "t", 0.0)])
    assert {route.service: route.secret for route in made.routes} == {
        "iris": "known", "wine": "of-wine", "page": "", "shop": "known,of-wine"
    }  # fmt: skip


def test_ready_instances_that_check_tokens_are_told_and_no_others() -> None:
    found = route(one(1, 9002), one(1, 9001), one(1, 9003, State.DRAINING), one(1, 9004, State.STARTING), one(2, 9005))
    assert found.direct == (("127.0.0.1:9001", 100), ("127.0.0.1:9002", 100))
    assert (found.secret, found.signed) == ("known", True)


def test_instances_of_an_older_hub_are_asked_through_the_gateway_alone_and_never_get_what_nobody_checked() -> None:
    found = route(one(1, 9001), one(1, 9002, checks=False))
    assert found.direct == (("127.0.0.1:9001", 100),)
    assert (found.secret, found.signed) == ("known", False)


def test_an_engine_that_can_not_check_is_asked_directly_only_where_everybody_may_ask() -> None:
    unable = {1: UNABLE}
    private = route(one(1, 9001, checks=False), limits=unable)
    assert (private.direct, private.secret, private.signed) == (UNCHECKED, "", False)
    public = route(one(1, 9001, checks=False), limits=unable, public=True)
    assert (public.direct, public.signed) == ((("127.0.0.1:9001", 100),), False)


def test_one_version_that_can_not_check_is_enough_to_pass_no_signed_request_and_tell_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlserve.hub.releasing.targets", lambda *_: ((1, 90), (2, 10)))
    found = route(one(1, 9001), one(2, 9002, checks=False), limits={2: UNABLE}, target=2)
    assert (found.signed, found.direct) == (False, UNCHECKED), "the other version would get more than its share"


def test_direct_requests_are_shared_as_those_of_the_gateway_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlserve.hub.releasing.targets", lambda *_: ((1, 90), (2, 10)))
    found = route(one(1, 9001), one(1, 9002), one(1, 9003), one(2, 9004), target=2)
    assert not isinstance(found.direct, str)
    assert dict(found.direct) == {f"127.0.0.1:{port}": 100 for port in (9001, 9002, 9003)} | {"127.0.0.1:9004": 33}


def test_a_service_that_is_stopped_or_not_there_yet_has_no_instance_to_tell() -> None:
    assert route(one(1, 9001), stopped=True).direct == ()
    assert route(serving=None).direct == ()
    assert route(serving=None, limits={1: UNABLE}).direct == UNCHECKED


def test_where_the_gateway_counts_requests_nobody_is_told_a_way_around_it() -> None:
    for limit in (replace(CHECKING, rate=9), replace(CHECKING, instance_rate=9), replace(UNABLE, concurrency=9)):
        for public in (True, False):
            assert route(one(1, 9001), limits={1: limit}, public=public).direct == LIMITED
            assert route(serving=None, limits={1: limit}, public=public).direct == LIMITED


def test_the_secret_is_sent_before_the_first_instance_that_asks_for_it() -> None:
    assert route(one(1, 9001, checks=False), limits={1: UNABLE}, target=2).secret == "known"


def entries(made: Table) -> dict[str, list[dict[str, Any]]]:
    host = json.loads(render(made).routes)["virtual_hosts"][0]
    return {
        path: found["action"]["typed_config"]["routes"]
        for path, found in host["matcher"]["matcher_tree"]["prefix_match_map"]["map"].items()
    }


IRIS = Route("iris", ((1, 1),), token="t", secret="known", signed=True, direct=(("10.0.0.1:9001", 100),))
CLUSTER = Cluster("iris", 1, ("127.0.0.1:9001",))


@pytest.mark.parametrize("path", PATHS)
def test_envoy_says_where_instances_are_in_the_form_of_eas(path: str) -> None:
    (told,) = entries(Table((CLUSTER,), (IRIS,)))[path]
    assert told["match"]["path"] == path
    assert told["direct_response"]["status"] == 200
    item = {"app": "iris", "ip": "10.0.0.1", "port": 9001, "weight": 100}
    assert json.loads(told["direct_response"]["body"]["inline_string"]) == {
        "correlative": ["iris"], "endpoints": {"items": [item]},
    }  # fmt: skip
    (refused,) = entries(Table((CLUSTER,), (replace(IRIS, direct="why"),)))[path]
    assert refused["direct_response"] == {"status": 403, "body": {"inline_string": "why"}}


def test_who_asks_directly_is_told_that_a_request_may_run_once_only() -> None:
    (told,) = entries(Table((CLUSTER,), (replace(IRIS, retry=False),)))[PATHS[0]]
    assert json.loads(told["direct_response"]["body"]["inline_string"])["retry"] is False


def test_each_route_but_that_of_signed_requests_overwrites_what_a_client_says_of_the_gateway() -> None:
    made = Table((CLUSTER,), (replace(IRIS, open_docs=True, origins=("https://a.example",)),), "probe")
    forwarding = [each for each in entries(made)["/api/predict/iris"] if "route" in each]
    signed = [each for each in forwarding if "prefix" in str(each["match"].get("headers")) and "EAS " in str(each)]
    (only,) = signed
    assert only["request_headers_to_remove"] == [GATEWAY_HEADER]
    assert "request_headers_to_add" not in only
    for each in forwarding:
        if each not in signed:
            (added,) = each["request_headers_to_add"]
            assert added["header"] == {"key": GATEWAY_HEADER, "value": "known"}
            assert added["append_action"] == "OVERWRITE_IF_EXISTS_OR_ADD"


def test_services_whose_instances_check_nothing_get_no_secret() -> None:
    made = Table((CLUSTER,), (replace(IRIS, secret="", signed=False),))
    assert GATEWAY_HEADER not in render(made).routes


def test_another_instance_changes_nothing_of_the_routes_of_its_service() -> None:
    one, two = (replace(IRIS, direct=((f"10.0.0.1:{port}", 100),)) for port in (1, 2))
    first, second = (entries(Table((CLUSTER,), (each,))) for each in (one, two))
    assert [path for path in first if first[path] != second[path]] == list(PATHS)


class Wishes:
    def __init__(self, *services: Service) -> None:
        self.there = list(services)

    def services(self) -> list[Service]:
        return self.there


def test_a_services_file_has_the_token_of_its_group_as_long_as_it_is_in_it(tmp_path: Path) -> None:
    groups = {"iris": {"shop": "of-shop"}}
    admission = Admission(
        tmp_path, "home", Wishes(WISH, replace(WISH, name="wine")), lambda _: Access(),  # type: ignore[arg-type]
        lambda service: groups.get(service.name, {}),
    )  # fmt: skip
    found = []
    for now in (0.0, 1.0):
        admission.tell(now)
        found.append([json.loads(admission.file(name).read_text())["groups"] for name in ("iris", "wine")])
        groups.clear()
    assert found == [[{"shop": "of-shop"}, {}], [{}, {}]]


def test_a_file_for_each_service_says_who_may_ask_and_goes_with_it(tmp_path: Path) -> None:
    wishes, access = Wishes(WISH, replace(WISH, name="wine", token="w", public=True)), [Access()]
    admission = Admission(tmp_path, "home", wishes, lambda _: access[0])  # type: ignore[arg-type]
    admission.tell(0.0)
    file = admission.file("iris")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    told = json.loads(file.read_text())
    assert (told["token"], told["public"], told["gateway"]) == ("secret", False, admission.secret("iris"))
    assert admission.secret("iris") != admission.secret("wine")
    mark = file.stat().st_mtime_ns
    admission.tell(1.0)
    assert file.stat().st_mtime_ns == mark, "what has not changed is not written"
    access[0] = Access("mlserve:x", ('{"kid": "k1"}',), frozenset({"t1"}))
    wishes.there.pop()
    admission.tell(2.0)
    told = json.loads(file.read_text())
    assert (told["issuer"], told["keys"], told["revoked"]) == ("mlserve:x", [{"kid": "k1"}], ["t1"])
    assert not admission.file("wine").exists()
    Admission(tmp_path, "home", Wishes(), lambda _: Access()).tell(3.0)  # type: ignore[arg-type]
    assert not file.exists(), "also what an earlier hub has left"
