"""What is started, drained and stopped, as tables and for any history."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserve.backends.base import State, Workload
from mlserve.backends.converge import Actions, converge
from mlserve.backends.records import Record

NOW = 1000.0


def copy(name: str, state: State = State.READY, **more: object) -> Record:
    ready_at = 10.0 if state in (State.READY, State.DRAINING) else None
    draining = 995.0 if state is State.DRAINING else None
    record = Record(name, "iris", 1, "0", state=state, started_at=float(len(name)), ready_at=ready_at)
    return replace(record, **{"draining_since": draining, **more})  # type: ignore[arg-type]


def want(count: int, **more: object) -> Workload:
    return replace(Workload("iris", 1, count, drain_seconds=30.0), **more)  # type: ignore[arg-type]


STARTING, DRAINING, FAILED = State.STARTING, State.DRAINING, State.FAILED
TABLE = {
    "nothing there: start all": ([], want(2), Actions(start=2)),
    "as wished: nothing to do": ([copy("a"), copy("bb")], want(2), Actions()),
    "a starting one counts": ([copy("a", STARTING)], want(1), Actions()),
    "too many: the newest ready one drains": ([copy("a"), copy("bb")], want(1), Actions(drain=("bb",))),
    "too many: the one not ready goes first": ([copy("a", STARTING), copy("bb")], want(1), Actions(stop=("a",))),
    "too many: the dead go before all": (
        [copy("a", FAILED), copy("bb", STARTING), copy("c")], want(2), Actions(forget=("a",)),
    ),
    "none wished: ready drain, starting stop": (
        [copy("a"), copy("bb", STARTING)], want(0), Actions(drain=("a",), stop=("bb",)),
    ),
    "a draining one is left alone": ([copy("a", DRAINING)], want(0), Actions(look_again_at=1025.0)),
    "a draining one doesn't count": ([copy("a", DRAINING)], want(1), Actions(start=1, look_again_at=1025.0)),
    "withdrawn: stop": (
        [copy("a", DRAINING)], want(0, withdrawn=frozenset("a")), Actions(stop=("a",), look_again_at=1025.0),
    ),
    "withdrawn but not draining: keep": ([copy("a")], want(1, withdrawn=frozenset("a")), Actions()),
    "drained for long enough: stop": ([copy("a", DRAINING)], want(0, drain_seconds=5.0), Actions(stop=("a",))),
    "already told to stop: wait": (
        [copy("a", DRAINING, stopping_since=996.0)], want(0, drain_seconds=1.0), Actions(),
    ),
    "outdated: one new first": ([copy("a"), copy("bb")], want(2, revision="1"), Actions(start=1)),
    "outdated: wait for the new one": (
        [copy("a"), copy("bb"), copy("c", STARTING, revision="1")], want(2, revision="1"), Actions(),
    ),
    "outdated: the new one is ready, the oldest drains": (
        [copy("a"), copy("bb"), copy("ccc", revision="1")], want(2, revision="1"), Actions(drain=("a",)),
    ),
    "outdated: while one drains the next starts": (
        [copy("a", DRAINING), copy("bb"), copy("ccc", revision="1")],
        want(2, revision="1"), Actions(start=1, look_again_at=1025.0),
    ),
    "outdated and never ready: replaced at once": (
        [copy("a", STARTING)], want(1, revision="1"), Actions(start=1, stop=("a",)),
    ),
    "outdated and given up: replaced": ([copy("a", FAILED)], want(1, revision="1"), Actions(start=1, forget=("a",))),
    "a new one that failed for good keeps the old ones serving": (
        [copy("a"), copy("bb", FAILED, revision="1")], want(1, revision="1"), Actions(),
    ),
    "dead and due: restart": ([copy("a", FAILED, retry_at=999.0)], want(1), Actions(restart=("a",))),
    "dead and not due: wait": ([copy("a", FAILED, retry_at=1002.0)], want(1), Actions(look_again_at=1002.0)),
    "dead for good: leave": ([copy("a", FAILED)], want(1), Actions()),
    "dead while draining: forget": (
        [copy("a", FAILED, draining_since=990.0)], want(0), Actions(forget=("a",), look_again_at=1020.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_the_next_step_is(case: str) -> None:
    have, wish, actions = TABLE[case]
    assert converge(have, wish, NOW) == actions


class World:
    """Obeys actions; instances become ready, drain and die as the test says."""

    def __init__(self) -> None:
        self.copies: dict[str, Record] = {}
        self.made = 0
        self.now = NOW

    def step(self, wish: Workload) -> Actions:
        self.now += 1
        actions = converge(list(self.copies.values()), wish, self.now)
        for name in (*actions.stop, *actions.forget):
            del self.copies[name]
        for name in actions.drain:
            self.copies[name] = replace(self.copies[name], state=DRAINING, draining_since=self.now)
        for name in actions.restart:
            self.copies[name] = replace(self.copies[name], state=STARTING, started_at=self.now, revision=wish.revision)
        for _ in range(actions.start):
            self.made += 1
            name = f"i{self.made}"
            self.copies[name] = Record(name, "iris", 1, wish.revision, started_at=self.now)
        return actions

    def become_ready(self, limit: int = 99) -> None:
        starting = [one for one in self.copies.values() if one.state is STARTING]
        for one in starting[:limit]:
            self.copies[one.id] = replace(one, state=State.READY, ready_at=self.now, was_ready=True)

    def die(self, position: int) -> None:
        alive = [one for one in self.copies.values() if one.state is not FAILED]
        if alive:
            one = alive[position % len(alive)]
            self.copies[one.id] = replace(one, state=FAILED, ready_at=None, retry_at=self.now)

    def ready(self) -> int:
        return sum(one.state is State.READY for one in self.copies.values())

    def kept(self) -> int:
        return sum(one.draining_since is None for one in self.copies.values())


HISTORY = st.lists(
    st.one_of(
        st.tuples(st.just("wish"), st.integers(0, 5)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("ready"), st.integers(1, 3)),
        st.tuples(st.just("die"), st.integers(0, 9)),
        st.tuples(st.just("step"), st.just(0)),
    ),
    max_size=25,
)


def settle(world: World, wish: Workload) -> None:
    for _ in range(100):
        world.become_ready()
        if not world.step(wish) and not any(one.state is DRAINING for one in world.copies.values()):
            return
    raise AssertionError(f"never came to rest: {world.copies}")


@given(HISTORY)
def test_whatever_happened_a_constant_wish_is_met_and_then_nothing_is_done(history: list[tuple[str, int]]) -> None:
    world, wish = World(), want(2, drain_seconds=3.0)
    for event, number in history:
        if event == "wish":
            wish = replace(wish, count=number)
        elif event == "restart":
            wish = replace(wish, revision=str(int(wish.revision) + 1))
        elif event == "ready":
            world.become_ready(number)
        elif event == "die":
            world.die(number)
        world.step(wish)
    settle(world, wish)
    assert world.ready() == wish.count
    assert {one.revision for one in world.copies.values()} <= {wish.revision}
    assert world.step(wish) == Actions()


@given(st.integers(1, 5), st.lists(st.integers(0, 2), max_size=30))
def test_during_a_restart_never_fewer_are_ready_and_never_more_than_one_is_extra(
    count: int, becoming: list[int]
) -> None:
    world, wish = World(), want(count, drain_seconds=2.0)
    settle(world, wish)
    wish = replace(wish, revision="1")
    for number in becoming:
        world.step(wish)
        world.become_ready(number)
        assert world.ready() >= count
        assert world.kept() <= count + 1
    settle(world, wish)
    assert {one.revision for one in world.copies.values()} == {"1"}


@given(st.integers(0, 5), st.integers(0, 5))
def test_scaling_drains_no_more_than_the_surplus(before: int, after: int) -> None:
    world = World()
    settle(world, want(before))
    actions = world.step(want(after))
    assert len(actions.drain) == max(before - after, 0)
    assert actions.start == max(after - before, 0)


def test_without_surge_an_outdated_one_is_gone_before_its_successor_starts() -> None:
    from mlserve.backends.base import Workload

    want = Workload("s", 1, 1, revision="1", surge=0)
    old = copy("a", State.READY, revision="0")
    first = converge([old], want, 0.0)
    assert (first.drain, first.start) == (("a",), 0)
    leaving = copy("a", State.DRAINING, revision="0", draining_since=0.0)
    assert converge([leaving], want, 0.0).start == 0
    assert converge([], want, 0.0).start == 1
