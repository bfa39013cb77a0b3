"""Releases through whatever may happen: what served goes on serving, and it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.release_kit import counted, measured, release, through_a_crash

from mlserve.hub.releases.counts import Standing, peak, wanted, weights
from mlserve.hub.releases.gates import Verdict
from mlserve.hub.releases.records import Gates, Phase, Release, Step, Strategy
from mlserve.hub.releases.step import Measured, judgement, pause, promote, step

HEARD = Gates(max_different_percent=10)


@dataclass
class World:
    """Instances that do what is wished, a moment later, and requests that follow the weights."""

    count: int
    old_count: int
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    trouble: str = ""
    requests: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 0})
    failed: int = 0
    different: int = 0

    def standing(self) -> Standing:
        return Standing(
            self.count,
            self.old_count,
            self.old.count("ready"),
            self.new.count("ready"),
            len(self.old),
            len(self.new),
            prepared=True,
            proven="ready" in self.new,
            trouble=self.trouble,
        )

    def measured(self) -> Measured:
        old, new = self.requests[1], self.requests[2]
        answers = replace(counted(new, self.failed), compared=old + new, different=self.different)
        return measured(counted(old), answers)

    def apply(self, run: dict[int, int]) -> None:
        for number, copies in ((1, self.old), (2, self.new)):
            copies.sort()  # a surplus ends with those that are not ready: "starting" is the last word
            del copies[run.get(number, len(copies)) :]
            copies += ["starting"] * (run.get(number, 0) - len(copies))

    def turn(self, shares: tuple[tuple[int, int], ...], *, bad: bool) -> None:
        self.old[:], self.new[:] = ["ready"] * len(self.old), ["ready"] * len(self.new)
        for number, weight in shares:
            self.requests[number] += weight
            self.failed += weight if bad and number == 2 else 0
        self.different = self.different + 50 if bad else self.different


EVENTS = st.lists(
    st.sampled_from(["turn", "turn", "crash", "again", "lose old", "lose new", "bad", "fail", "promote", "pause"]),
    max_size=40,
)
PLANS = st.sampled_from(
    [
        release(Strategy.BLUE_GREEN),
        release(Strategy.BLUE_GREEN, steps=(Step(100, 0.0),), gates=Gates(max_error_percent=1)),
        release(Strategy.BLUE_GREEN, steps=(Step(0, 0.0), Step(100, 0.0)), gates=HEARD),
        release(Strategy.ROLLING, gates=HEARD),
        release(steps=(Step(0, 0.0), Step(10, 1.0), Step(100, 2.0)), gates=HEARD),
        release(Strategy.ROLLING),
        release(Strategy.ROLLING, surge=0, unavailable=1),
        release(Strategy.ROLLING, gates=Gates(max_error_percent=1)),
        release(steps=(Step(20, 3.0), Step(60, None))),
        release(steps=(Step(10, 1.0), Step(100, 2.0)), gates=Gates(max_error_percent=1)),
    ]
)


@settings(max_examples=300, deadline=None)
@given(made=PLANS, events=EVENTS, count=st.integers(1, 4), old_count=st.integers(1, 4))
def test_whatever_happens_what_served_goes_on_and_the_release_ends(
    made: Release, events: list[str], count: int, old_count: int
) -> None:
    world, twin = World(count, old_count, old=["ready"] * old_count), made
    bad, now = False, 0.0
    for event in [*events, *["turn", "promote"] * 200]:
        standing, lost = world.standing(), event.startswith("lose")
        move = step(made, standing, world.measured(), now)
        made, blame = move.release, move.blame
        twin = step(twin, standing, world.measured(), now).release
        made = through_a_crash(made) if event == "crash" else made
        assert made == twin, "a hub that died takes the same way"
        assert (
            step(made, standing, world.measured(), now).release
            == step(through_a_crash(made), standing, world.measured(), now).release
        )
        world.trouble = world.trouble or blame
        if not made.under_way:
            break
        now += 1.0
        bad = bad or event == "bad"
        world.trouble = "it crashed" if event == "fail" else world.trouble
        if event in ("promote", "pause"):
            made = twin = promote(made) if event == "promote" else pause(made, now)
        cleared = judgement(made, world.measured(), now).verdict is Verdict.PASSED
        shares = weights(made, standing)
        assert sum(weight for _, weight in shares) in (0, 100)
        assert (
            all({1: standing.ready_old, 2: standing.usable}[number] for number, _ in shares) or not standing.ready_old
        )
        run = wanted(made, standing, cleared=cleared)
        if not lost and not standing.trouble:
            staying = min(run.get(1, old_count), standing.ready_old) + min(run.get(2, 0), standing.usable)
            least = min(old_count - made.unavailable, standing.ready_old + standing.usable)
            assert staying >= least, (made, standing, run)
        if made.phase is not Phase.RETURNING and not lost:
            starts = run.get(2, 0) > len(world.new)
            assert not starts or sum(run.values()) <= peak(made, count, old_count)
        world.apply(run)
        if lost:
            (world.old if event == "lose old" else world.new)[:1] = []
        world.turn(weights(made, world.standing()), bad=bad)
    assert not made.under_way, made
    assert (made.phase is Phase.DONE) or made.reason
