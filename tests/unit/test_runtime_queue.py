"""The queue: what goes first, what shares a call, what is refused; sequences; slots that never come back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dispatch_kit import Desk, told
from tests.waiting import eventually

from mlserve.errors import InvalidInput
from mlserve.runtime.scheduling.costs import Costs
from mlserve.runtime.scheduling.dispatch import Expired, QueueFull
from mlserve.runtime.scheduling.watchdog import Health, health

ORDER = """
import threading
class P:
    def load(self, path, config):
        self.gate, self.ran = threading.Event(), []
        P.one = self
    def predict(self, inputs):
        if inputs["x"].ndim == 0 and inputs["x"] == 0:
            self.gate.wait(10)
        self.ran.append(inputs["x"].tolist())
        return {"ran": [list(self.ran)]}
"""
ROWS = (
    ORDER
    + """
    def metadata(self):
        x = {"name": "x", "type": "", "shape": [-1, -1]}
        return {"inputs": [x], "outputs": [{**x, "name": "y"}]}
    def predict(self, inputs):
        import numpy as np
        x = inputs["x"]
        self.ran.append(x.shape)
        if len(self.ran) == 1:
            self.gate.wait(10)
        if (x == 13).any():
            raise ValueError("thirteen")
        return {"y": x * 2}
"""
)


def user(desk: Desk) -> Any:
    return desk.dispatcher.queue._predict.__self__._plain._processor  # type: ignore[attr-defined]


async def block(desk: Desk) -> asyncio.Future[Any]:
    """Hold the only slot until the gate opens."""
    first = desk.submit(0)
    await eventually(lambda: desk.dispatcher.queue.running == 1)
    return first


def test_the_most_urgent_goes_first_and_the_usual_before_what_gives_way(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        first = await block(desk)
        answers = [desk.submit(x, priority=p) for x, p in ((1, 0), (2, 200), (3, 1), (4, 0), (5, 2))]
        user(desk).gate.set()
        await asyncio.gather(first, *answers)
        assert user(desk).ran == [0, 3, 5, 1, 4, 2]

    told(tmp_path, ORDER, story, worker_threads=1)


def test_a_request_may_say_how_long_it_waits(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        first = await block(desk)
        hasty, patient = desk.submit(1, timeout=0.05), desk.submit(2)
        with pytest.raises(Expired, match=r"not begun within 0.05 s"):
            await hasty
        user(desk).gate.set()
        await asyncio.gather(first, patient)
        assert user(desk).ran == [0, 2]

    told(tmp_path, ORDER, story, worker_threads=1)


def test_the_age_of_the_oldest_is_in_the_metrics(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        first = await block(desk)
        waiting = [desk.submit(1), desk.submit(2)]
        await asyncio.sleep(0.1)
        text = desk.metrics.render().decode()
        age = next(line for line in text.splitlines() if line.startswith("mlserve_queue_age_seconds{"))
        assert 0.1 <= float(age.rsplit(" ", 1)[1]) < 5
        user(desk).gate.set()
        await asyncio.gather(first, *waiting)
        assert desk.dispatcher.queue.age == 0

    told(tmp_path, ORDER, story, worker_threads=1)


SLOW = "import time\nclass P:\n    def predict(self, inputs):\n        time.sleep(0.1)\n        return {'y': 1}\n"


def test_who_would_wait_beyond_its_deadline_is_refused_at_once(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.submit(0)  # now it is known what a call takes
        answers = [desk.submit(n) for n in range(8)]
        await eventually(lambda: desk.dispatcher.queue.running == 1)
        with pytest.raises(QueueFull, match="s to wait") as refused:
            desk.submit(9, deadline=0.3)
        assert refused.value.retry_after >= 1
        await asyncio.gather(*answers)
        assert desk.metrics.failures == {"queue-full": 1}

    told(tmp_path, SLOW, story, worker_threads=1)


def test_the_longest_wait_may_be_set(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.submit(0)
        answers = [desk.submit(0)]
        await eventually(lambda: desk.dispatcher.queue.running == 1)
        refused = 0
        for _ in range(5):
            try:
                answers.append(desk.submit(0))
            except QueueFull:
                refused += 1
        assert 2 <= len(answers) <= 4
        assert refused
        await asyncio.gather(*answers)

    told(tmp_path, SLOW, story, worker_threads=1, max_queue_wait_ms=250)


def test_what_waits_holds_a_tenth_of_the_memory_at_most(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        first = await block(desk)
        large = np.zeros(3 << 17)  # 3 MB
        waiting = [desk.submit(large) for _ in range(3)]
        with pytest.raises(QueueFull, match="hold 9 MB"):
            desk.submit(large)
        user(desk).gate.set()
        await asyncio.gather(first, *waiting)

    told(tmp_path, ORDER, story, worker_threads=1, memory_mb=100)


def test_what_cannot_be_stacked_stands_in_lines_of_its_own(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        narrow, wide, whole = np.ones((1, 2)), np.ones((1, 3)), np.ones((1, 2), np.int64)
        first = desk.submit(narrow)
        await eventually(lambda: desk.dispatcher.queue.running == 1)
        answers = [desk.submit(x) for x in (wide, narrow, whole, wide, narrow, whole * 13, narrow)]
        user(desk).gate.set()
        await asyncio.wait([first, *answers])
        assert isinstance(answers[5].exception(), ValueError)
        assert all(answer.exception() is None for answer in (first, *answers[:5], answers[6]))
        shapes = user(desk).ran
        assert shapes[:4] == [(1, 2), (2, 3), (3, 2), (2, 2)]  # the oldest head first, and then its kin
        assert shapes[4:] == [(1, 2), (1, 2)]  # the one that failed as a whole, one by one

    told(tmp_path, ROWS, story, worker_threads=1, batching=True, max_batch_size=8, max_batch_timeout_ms=1)


COUNT = """
import time
class P:
    def predict(self, inputs, context):
        if context.sequence is None:
            return {"n": -1}
        before = context.state.get("n", 0)
        time.sleep(0.01)
        context.state["n"] = before + int(inputs["x"])
        return {"n": context.state["n"]}
"""


def seq(identity: int | str, *, start: bool = False, end: bool = False) -> dict[str, Any]:
    from mlserve.runtime.processors.base import Sequence

    return {"sequence": Sequence(identity, start, end)}


def test_requests_of_a_sequence_come_one_after_the_other_with_their_own_state(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        answers = [desk.submit(1, **seq(name, start=True)) for name in (7, "b")]
        for _ in range(10):
            answers += [desk.submit(1, **seq(7)), desk.submit(10, **seq("b"))]
        answers += [desk.submit(1, **seq(7, end=True)), desk.submit(0)]
        values = [answer["n"] for answer in await asyncio.gather(*answers)]
        assert values[0:1] + values[2:22:2] + [values[-2]] == list(range(1, 13))
        assert values[1:22:2] == [1 + 10 * n for n in range(11)]
        assert values[-1] == -1
        await eventually(lambda: len(desk.dispatcher.sequences) == 1)

    told(tmp_path, COUNT, story, worker_threads=4)


def test_a_sequence_begins_with_a_start_and_is_over_at_its_end(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        with pytest.raises(InvalidInput, match="sequence 5 is not open here"):
            desk.submit(1, **seq(5))
        assert await desk.submit(1, **seq(5, start=True)) == {"n": 1}
        assert await desk.submit(1, **seq(5, end=True)) == {"n": 2}
        with pytest.raises(InvalidInput):
            desk.submit(1, **seq(5))
        assert await desk.submit(3, **seq(5, start=True)) == {"n": 3}
        assert await desk.submit(4, **seq(5, start=True)) == {"n": 4}  # begun anew

    told(tmp_path, COUNT, story)


def test_a_sequence_goes_on_when_one_of_its_clients_has_gone(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        answers = [desk.submit(1, **seq(1, start=True))]
        _, gone = desk.follow(100, **seq(1))
        answers += [desk.submit(1, **seq(1)), desk.submit(1, **seq(1))]
        desk.dispatcher.drop(gone)
        assert [answer["n"] for answer in await asyncio.gather(*answers)] == [1, 2, 3]
        assert desk.dispatcher.in_flight == 0

    told(tmp_path, COUNT, story, worker_threads=2)


def test_an_idle_sequence_is_forgotten(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        sequences = desk.dispatcher.sequences
        await desk.submit(1, **seq(1, start=True))
        await asyncio.sleep(0.1)
        sequences.tick()
        assert len(sequences) == 0

    told(tmp_path, COUNT, story, idle_seconds=0.05)


def test_slots_that_never_come_back_are_noticed(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        with pytest.raises(Expired):
            await desk.submit(0, deadline=0.05)
        queue = desk.dispatcher.queue
        await asyncio.sleep(0.1)
        assert 0.05 < queue.stuck < 5
        user(desk).gate.set()
        await eventually(lambda: queue.running == 0)
        assert queue.stuck == 0

    told(tmp_path, ORDER, story, worker_threads=1)


@pytest.mark.parametrize(
    ("stuck", "deadline", "said"),
    [
        (0.9, 0.1, "GOOD"),
        (1.1, 0.1, "STUCK"),
        (11, 0.1, "HUNG"),
        (50, 60, "GOOD"),
        (170, 60, "STUCK"),
        (181, 60, "HUNG"),
    ],
)
def test_how_long_slots_may_be_overdue(stuck: float, deadline: float, said: str) -> None:
    assert health(stuck, deadline) is Health[said]


def test_costs_follow_what_is_seen_and_an_outlier_moves_them_little() -> None:
    costs = Costs({1: 1e-5, 4: 2e-5, 16: 5e-5}, short=250e-6)
    assert costs.short_rows == 16
    assert costs.seconds(2) == pytest.approx(1e-5 + 1e-5 / 3)
    assert costs.seconds(32) == pytest.approx(1e-4)
    costs.seen(1, 1.0)  # something else had the core for a second
    assert costs.seconds(1) < 5e-5
    for _ in range(50):
        costs.seen(4, 2e-3)  # and now it is a hundred times slower
    assert costs.short_rows == 0
    for _ in range(100):
        costs.seen(4, 2e-5)
    assert costs.short_rows == 16
