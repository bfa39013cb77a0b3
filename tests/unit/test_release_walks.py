"""Releases as random walks: hubs die between any two deeds, instances die, versions err; what is promised holds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from mlserve.hub.releases.counts import Standing, enough, peak, wanted, weights
from mlserve.hub.releases.gates import Verdict
from mlserve.hub.releases.records import Counted, Gates, Phase, Release, Step, Strategy, release_from
from mlserve.hub.releases.step import Measured, judgement, pause, promote, step

_BOUNDS = (1.0, 10.0)
_RESTARTS = 3
_LIMIT = 50.0


@dataclass
class Copy:
    """One instance, as a backend keeps it."""

    state: str = "starting"
    restarts: int = 0
    up: int = 0
    """Turns since it was ready."""

    def turn(self) -> None:
        """What becomes of it meanwhile."""
        self.up = self.up + 1 if self.state == "ready" else 0
        self.restarts += self.state == "dead"
        self.state = {"starting": "ready", "dead": "starting", "draining": "gone"}.get(self.state, self.state)


@dataclass
class Side:
    """The instances of one version, and the backend's way to as many of them as are wished."""

    copies: list[Copy] = field(default_factory=list)

    def count(self, *states: str) -> int:
        return sum(copy.state in states for copy in self.copies)

    def apply(self, count: int) -> None:
        rank = {"dead": 0, "starting": 1}
        staying = sorted((c for c in self.copies if c.state != "draining"), key=lambda c: rank.get(c.state, 2))
        for copy in staying[: max(len(staying) - count, 0)]:
            copy.state = "draining" if copy.state == "ready" else "gone"
        self.copies += [Copy() for _ in range(count - len(staying))]
        self.clear()

    def turn(self) -> None:
        for copy in self.copies:
            copy.turn()
        self.clear()

    def die(self) -> None:
        """One of those that are ready."""
        for copy in [copy for copy in self.copies if copy.state == "ready"][:1]:
            copy.state = "dead"

    def clear(self) -> None:
        self.copies = [copy for copy in self.copies if copy.state != "gone"]


@dataclass
class World:
    """Both versions, and requests that follow the weights."""

    count: int
    old_count: int
    old: Side
    new: Side = field(default_factory=Side)
    proven: bool = False
    trouble: str = ""
    bad: bool = False
    requests: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 0})
    failed: int = 0

    def standing(self) -> Standing:
        ready = [copy for copy in self.new.copies if copy.state == "ready"]
        return Standing(
            self.count,
            self.old_count,
            self.old.count("ready"),
            len(ready),
            self.old.count("starting", "ready", "draining"),
            self.new.count("starting", "ready", "dead"),
            self.new.count("draining"),
            shaky=sum(copy.restarts > 0 and copy.up < 3 for copy in ready),
            prepared=True,
            proven=self.proven,
            trouble=self.trouble,
        )

    def measured(self) -> Measured:
        old, new = (Counted(n, 0, (0, n)) for n in (self.requests[1], self.requests[2]))
        return Measured({1: old, 2: replace(new, failed=self.failed)}, _BOUNDS)

    def turn(self, shares: tuple[tuple[int, int], ...]) -> None:
        for number, weight in shares:
            self.requests[number] += weight
            self.failed += weight if self.bad and number == 2 else 0
        self.old.turn()
        self.new.turn()
        self.proven = self.proven or self.new.count("ready") > 0
        if any(copy.restarts > _RESTARTS for copy in self.new.copies):
            self.trouble = self.trouble or "it crashed"


def made(strategy: Strategy, *steps: Step, gates: Gates | None = None, surge: int = 1, unavailable: int = 0) -> Release:
    return Release(
        strategy, 1, 2, 0.0, steps, gates, surge=surge, unavailable=unavailable, fill_limit=_LIMIT, gate_limit=_LIMIT
    )


ERRORS = Gates(max_error_percent=1)
PLANS = st.sampled_from(
    [
        made(Strategy.BLUE_GREEN),
        made(Strategy.BLUE_GREEN, Step(100, 0.0), gates=ERRORS),
        made(Strategy.ROLLING),
        made(Strategy.ROLLING, surge=0, unavailable=1),
        made(Strategy.ROLLING, surge=2, unavailable=1),
        made(Strategy.ROLLING, gates=ERRORS),
        made(Strategy.CANARY, Step(20, 3.0), Step(60, 1.0)),
        made(Strategy.CANARY, Step(10, 1.0), Step(100, 2.0), gates=ERRORS),
    ]
)
EVENTS = st.lists(
    st.sampled_from(
        ["", "", "", "hub dies unwritten", "hub dies", "old dies", "new dies", "err", "fail", "promote", "pause"]
    ),
    max_size=40,
)


def again(one: Release) -> Release:
    """As the next hub reads it."""
    return release_from(json.loads(json.dumps(asdict(one)))) or one


def may(before: Release, after: Release, world: World, now: float) -> None:
    """A step is over only when it has its instances, and never against its gates."""
    standing, measured = world.standing(), world.measured()
    if after.phase in (Phase.JUDGING, Phase.DONE) and before.phase is Phase.FILLING:
        assert enough(before, standing)
    if after.at > before.at or after.phase is Phase.DONE:
        assert after.at - before.at <= 1
        assert judgement(before, measured, now).verdict is not Verdict.FAILED
        passed = judgement(before, measured, now).verdict is Verdict.PASSED
        assert passed or before.promoted == before.at or before.strategy is not Strategy.ROLLING
        assert after.at == before.at or passed or before.promoted == before.at


def held(one: Release, standing: Standing, run: dict[int, int]) -> None:
    """What a release may want: no ready instance goes that is needed, nor do more come than there may be."""
    if one.strategy is not Strategy.ROLLING:
        assert run[1] == standing.old_count
        return
    most = peak(one, standing.count, standing.old_count)
    there = max(standing.alive_old, run[1]) + max(standing.alive_new, run[2]) + standing.leaving_new
    comes = run[1] > standing.alive_old or run[2] > standing.alive_new
    assert not comes or there <= most or standing.alive_old + standing.alive_new + standing.leaving_new >= most
    lasting = (
        standing.ready_new if one.phase is Phase.RETURNING else standing.proven * (standing.ready_new - standing.shaky)
    )
    staying = min(run[1], standing.ready_old) + min(run[2], lasting)
    goes = run[1] < standing.ready_old or run[2] < standing.ready_new
    assert not goes or staying >= standing.old_count - one.unavailable, (one, standing, run)


@settings(max_examples=400, deadline=None)
@given(plan=PLANS, events=EVENTS, count=st.integers(1, 4), old_count=st.integers(1, 4))
def test_a_release_keeps_its_promises_whoever_dies(
    plan: Release, events: list[str], count: int, old_count: int
) -> None:
    world = World(count, old_count, Side([Copy("ready", up=9) for _ in range(old_count)]))
    one, now = plan, 0.0
    for event in [*events, *["promote", "", ""] * 150]:
        now += 1.0
        world.bad, world.trouble = world.bad or event == "err", world.trouble or ("it ended" if event == "fail" else "")
        for side in (world.old if event == "old dies" else None, world.new if event == "new dies" else None):
            if side:
                side.die()
        standing = world.standing()
        move = step(one, standing, world.measured(), now)
        if event != "hub dies unwritten":  # else nothing of it is kept, nor done
            may(one, move.release, world, now)
            one = again(move.release)
            world.trouble = world.trouble or move.blame
            if not one.under_way:
                break
            if event in ("promote", "pause"):
                one = promote(one) if event == "promote" else pause(one, now)
        shares = weights(one, standing)
        assert sum(weight for _, weight in shares) == 100
        able = {1: standing.ready_old, 2: standing.usable}
        assert all(able[number] for number, _ in shares) or not any(able.values())
        if not event.startswith("hub dies"):
            run = wanted(one, standing, cleared=judgement(one, world.measured(), now).verdict is Verdict.PASSED)
            held(one, standing, run)
            for number, wished in run.items():
                (world.old if number == 1 else world.new).apply(wished)
        world.turn(weights(one, world.standing()))
    assert not one.under_way, (one, world.standing())
    if one.phase is Phase.FAILED:
        assert one.reason
        assert world.old.count("ready", "starting", "dead") >= old_count or not standing.ready_new, (one, standing)
    else:
        assert not world.trouble
        assert world.standing().steady >= count
