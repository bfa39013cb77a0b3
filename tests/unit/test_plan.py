"""What the hub decides, as tables: a sight in, a decision out."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from mlserve.backends.base import Instance, State
from mlserve.hub.plan import Seen, Status, decide, status
from mlserve.hub.records import LastUpdate, Prepared, Service, Version

READY = Prepared(python="python")
FAILURE = {"cause": "load-exception", "at": 1.0}


def service(**changes: object) -> Service:
    base = Service("iris", "secret", public=False, resource="local", created_at=0, updated_at=0)
    return replace(base, **changes)  # type: ignore[arg-type]


def version(number: int = 1, **changes: object) -> Version:
    return replace(Version("iris", number, 0.0, {}, prepared=READY), **changes)  # type: ignore[arg-type]


def instance(number: int = 1, state: State = State.READY, **changes: object) -> Instance:
    return replace(Instance(f"iris-{number}-{len(changes)}", "iris", number, state), **changes)  # type: ignore[arg-type]


def seen(wish: Service, versions: list[Version], instances: list[Instance] | None = None) -> Seen:
    routed = wish.serving or 0
    return Seen(wish, {one.number: one for one in versions}, tuple(instances or ()), routed)


def test_a_new_service_is_prepared_first() -> None:
    decision = decide(seen(service(), [version(prepared=None)]))
    assert (decision.prepare, decision.run, decision.prove) == (1, {}, None)


def test_a_prepared_version_runs_as_often_as_wished() -> None:
    assert decide(seen(service(count=3), [version()])).run == {1: 3}


def test_a_ready_version_is_proven_before_it_serves() -> None:
    decision = decide(seen(service(), [version()], [instance()]))
    assert (decision.prove, decision.service.serving) == (1, None)
    assert status(seen(service(), [version()], [instance()])) is Status.CREATING


def test_a_proven_version_serves_and_the_wish_is_settled_once_the_gateway_knows() -> None:
    first = decide(seen(service(), [version(served=True)], [instance()]))
    assert (first.service.serving, first.service.settled) == (1, 0)
    then = decide(seen(first.service, [version(served=True)], [instance()]))
    assert then.service.settled == 1


def test_the_first_ready_instance_opens_a_new_service() -> None:
    decision = decide(seen(service(count=2), [version(served=True)], [instance(), instance(state=State.STARTING)]))
    assert (decision.service.serving, decision.service.settled) == (1, 0)


def test_a_first_version_that_failed_is_not_tried_again() -> None:
    sight = seen(service(), [version(failure=FAILURE)], [instance(state=State.FAILED, final=True)])
    decision = decide(sight)
    assert (decision.run, decision.prepare, decision.service.settled) == ({1: 0}, None, 1)
    assert status(sight) is Status.FAILED


def test_a_version_whose_image_was_lost_is_prepared_again_and_not_judged_by_what_missed_it() -> None:
    dead = instance(state=State.FAILED, final=True, revision="0")
    wish = service(serving=1, generation=2, settled=1)
    decision = decide(seen(wish, [version(prepared=None)], [dead]))
    assert (decision.prepare, decision.failed, decision.run) == (1, None, {1: 0})
    assert decision.service.settled == 1, "whoever waits goes on waiting"


def test_an_instance_given_up_has_its_story_kept_once() -> None:
    dead = instance(state=State.FAILED, final=True)
    assert decide(seen(service(), [version()], [dead])).failed == dead
    assert decide(seen(service(), [version(failure=FAILURE)], [dead])).failed is None


def test_an_update_keeps_the_old_version_until_all_of_the_new_one_is_ready() -> None:
    wish = service(serving=1, target=2, latest=2, count=2, serving_count=3, settled=0)
    old, new = [instance(1), instance(1), instance(1)], [instance(2), instance(2, State.STARTING)]
    decision = decide(seen(wish, [version(1, served=True), version(2, served=True)], old + new))
    assert (decision.service.serving, decision.run) == (1, {1: 3, 2: 2})


def test_the_new_version_takes_over_when_all_of_it_is_ready_and_the_old_one_ends() -> None:
    wish = service(serving=1, target=2, latest=2, last_update=LastUpdate(2, "running"))
    decision = decide(seen(wish, [version(1, served=True), version(2, served=True)], [instance(1), instance(2)]))
    assert decision.service.serving == 2
    assert decision.service.last_update == LastUpdate(2, "done")
    assert decision.run == {1: 0, 2: 1}


def test_a_failed_update_leaves_the_old_version_serving() -> None:
    wish = service(serving=1, target=2, latest=2, count=4, serving_count=1)
    sight = seen(wish, [version(1, served=True), version(2, failure=FAILURE)], [instance(1)])
    decision = decide(sight)
    assert (decision.service.target, decision.service.count) == (1, 1)
    assert decision.service.last_update == LastUpdate(2, "failed")
    assert decision.service.settled == 1
    assert status(replace(sight, service=decision.service)) is Status.RUNNING


def test_a_stopped_service_is_settled_when_nothing_of_it_lives() -> None:
    wish = service(serving=1, stopped=True, generation=2, settled=1)
    draining = decide(seen(wish, [version(served=True)], [instance(state=State.DRAINING)]))
    assert (draining.run, draining.service.settled) == ({1: 0}, 1)
    assert decide(seen(wish, [version(served=True)], [])).service.settled == 2
    assert status(seen(wish, [version(served=True)], [])) is Status.STOPPED


def test_a_missing_instance_of_a_settled_service_is_degraded() -> None:
    wish = service(serving=1, count=2, settled=1)
    assert status(seen(wish, [version(served=True)], [instance()])) is Status.DEGRADED


def test_a_restart_is_settled_when_no_outdated_instance_is_left() -> None:
    wish = service(serving=1, restarts=1, generation=2, settled=1)
    both = [instance(revision="0"), instance(revision="1")]
    assert decide(seen(wish, [version(served=True)], both)).service.settled == 1
    assert decide(seen(wish, [version(served=True)], both[1:])).service.settled == 2


def test_a_deleted_service_is_forgotten_when_nothing_of_it_lives() -> None:
    assert not decide(seen(service(deleting=True), [version()], [instance()])).forget
    assert decide(seen(service(deleting=True), [version()])).forget


_states = st.lists(st.tuples(st.sampled_from([1, 2]), st.sampled_from(list(State)), st.booleans()), max_size=6)


@settings(max_examples=300)
@given(_states, st.booleans(), st.booleans(), st.booleans(), st.integers(1, 3), st.sampled_from([None, 1]))
def test_deciding_twice_changes_nothing_more(
    there: list[tuple[int, State, bool]], failed: bool, stopped: bool, prepared: bool, count: int, serving: int | None
) -> None:
    wish = service(serving=serving, target=2, latest=2, count=count, stopped=stopped)
    versions = [
        version(1, served=True),
        version(2, prepared=READY if prepared else None, failure=FAILURE if failed else None),
    ]
    instances = [instance(number, state, final=final and state is State.FAILED) for number, state, final in there]
    first = decide(seen(wish, versions, instances))
    again = decide(seen(first.service, versions, instances))
    assert again.service == first.service
    if failed and serving == 1 and not stopped:
        assert first.run[1] >= 1, "a failed update never takes away the version that served"


def test_a_restart_that_fails_leaves_those_that_serve_in_charge() -> None:
    wish = service(serving=1, restarts=3, generation=4, settled=3)
    there = [instance(revision="2"), instance(state=State.FAILED, final=True, revision="3")]
    decision = decide(seen(wish, [version(served=True)], there))
    assert (decision.service.restarts, decision.service.last_update) == (2, LastUpdate(1, "failed"))
    assert decision.failed == there[1]
    assert decide(seen(decision.service, [version(served=True)], there[:1])).service.settled == 4


def test_a_start_after_a_failure_is_not_settled_by_the_instance_that_failed_before() -> None:
    wish = service(serving=1, restarts=1, generation=2, settled=1)
    there = [instance(state=State.FAILED, final=True, revision="0"), instance(state=State.STARTING, revision="1")]
    assert decide(seen(wish, [version(served=True)], there)).service.settled == 1


def test_versions_that_want_the_same_port_follow_one_another() -> None:
    wish = service(serving=1, target=2, latest=2)
    versions = [
        version(1, served=True, fixed_port=True, descriptor={"port": 9000}),
        version(2, descriptor={"port": 9000}),
    ]
    assert decide(seen(wish, versions, [instance(1)])).run == {1: 0, 2: 0}
    assert decide(seen(wish, versions, [instance(1, State.DRAINING)])).run == {1: 0, 2: 0}
    assert decide(seen(wish, versions, [])).run == {1: 0, 2: 1}
    failed = [versions[0], replace(versions[1], failure=FAILURE)]
    assert decide(seen(wish, failed, [])).run == {1: 1}
