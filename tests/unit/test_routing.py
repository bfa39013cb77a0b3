"""What the gateway is told for what is there."""

from __future__ import annotations

from dataclasses import replace

from mlserve.backends.base import Instance, State
from mlserve.hub.limits import Limits
from mlserve.hub.plan import Seen
from mlserve.hub.records import Service, Version
from mlserve.hub.releases.records import Phase, Release, Step, Strategy
from mlserve.hub.routing import NOTHING, published, routed, table

WISH = Service("iris", "secret", public=False, resource="local", created_at=0, updated_at=0)


def limits(service: str, version: int) -> Limits:
    return Limits(timeout_seconds=version + 1.0, health_path="/v2/health/live")


def sight(*instances: Instance, **wish: object) -> Seen:
    return Seen(replace(WISH, **wish), {1: Version("iris", 1, 0, {}), 2: Version("iris", 2, 0, {})}, instances)  # type: ignore[arg-type]


def ready(number: int, port: int, state: State = State.READY) -> Instance:
    return Instance(f"iris-{number}-{port}", "iris", number, state, address=f"127.0.0.1:{port}")


def test_a_service_that_serves_nothing_yet_has_a_route_to_nothing() -> None:
    made = table([sight()], limits, "s")
    assert made.clusters == ()
    assert made.routes[0].targets == ()
    assert routed(made) == {"iris": NOTHING}


def test_a_ready_version_has_a_cluster_before_its_route_is_open() -> None:
    made = table([sight(ready(1, 9001))], limits, "s")
    assert published(made) == {"127.0.0.1:9001"}
    assert made.routes[0].targets == ()


def test_the_serving_version_gets_the_requests_and_its_own_limits() -> None:
    made = table([sight(ready(1, 9001), ready(2, 9002), serving=1, target=2)], limits, "s")
    assert made.routes[0].targets == ((1, 100),)
    assert made.routes[0].timeout_seconds == 2.0
    assert [cluster.version for cluster in made.clusters] == [1, 2]


def test_requests_are_tried_again_only_where_every_version_that_gets_them_says_so() -> None:
    careful = {1: Limits(), 2: Limits(retry=False)}
    one = sight(ready(1, 9001), ready(2, 9002), serving=1, target=2)
    both = replace(one, versions={**one.versions, 2: replace(one.versions[2], served=True)})
    canary = Release(Strategy.CANARY, 1, 2, 0.0, steps=(Step(20, 5.0),), phase=Phase.JUDGING)
    during = replace(both, service=replace(both.service, release=canary))
    made = [table([seen], lambda _, number: careful[number], "s").routes[0] for seen in (both, during)]
    assert [len(one.targets) for one in made] == [1, 2]
    assert [one.retry for one in made] == [True, False]


def test_only_ready_instances_are_sent_requests() -> None:
    others = [ready(1, 9002, State.DRAINING), ready(1, 9003, State.STARTING), ready(1, 9004, State.FAILED)]
    assert published(table([sight(ready(1, 9001), *others, serving=1)], limits, "s")) == {"127.0.0.1:9001"}


def test_a_stopped_service_keeps_its_route_and_a_deleted_one_does_not() -> None:
    assert table([sight(ready(1, 9001), serving=1, stopped=True)], limits, "s").routes[0].targets == ()
    assert table([sight(ready(1, 9001), serving=1, deleting=True)], limits, "s").routes == ()


def test_a_service_that_failed_for_good_is_told_apart_from_one_that_may_come() -> None:
    broken = replace(Version("iris", 1, 0, {}), failure={"cause": "bad-entry"})
    failed = replace(sight(), versions={1: broken})
    assert [table([seen], limits, "s").routes[0].failed for seen in (failed, sight())] == [True, False]


def test_a_public_service_asks_for_no_token() -> None:
    assert table([sight(public=True)], limits, "s").routes[0].token is None
    assert table([sight()], limits, "s").routes[0].token == "secret"


def test_equal_sights_make_equal_tables() -> None:
    one, two = ready(1, 9001), ready(1, 9002)
    assert table([sight(one, two, serving=1)], limits, "s") == table([sight(two, one, serving=1)], limits, "s")
