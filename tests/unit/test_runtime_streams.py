"""Processors that answer in parts, or async, or with the request's context: through the one door to the model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from dispatch_kit import Desk, told
from tests.waiting import eventually

from mlserve.runtime.scheduling.dispatch import Expired

COUNTING = """
class P:
    def predict(self, inputs):
        try:
            for n in range(int(inputs["x"])):
                if n == 3 and int(inputs["x"]) == 4:
                    raise ValueError("no fourth")
                yield {"n": [n]}
        finally:
            print("closed", flush=True)
"""
ASYNC_COUNTING = COUNTING.replace("def predict", "async def predict")


@pytest.mark.parametrize("text", [COUNTING, ASYNC_COUNTING])
def test_a_generator_gives_an_answer_for_each_value(tmp_path: Path, text: str) -> None:
    async def story(desk: Desk) -> None:
        assert desk.metadata.streams
        listener = desk.stream(3)
        assert await listener.ended is None
        assert listener.parts == [{"n": [0]}, {"n": [1]}, {"n": [2]}]
        assert desk.dispatcher.in_flight == 0

    told(tmp_path, text, story)


@pytest.mark.parametrize("text", [COUNTING, ASYNC_COUNTING])
def test_an_error_on_the_way_ends_the_stream_after_the_answers_before_it(tmp_path: Path, text: str) -> None:
    async def story(desk: Desk) -> None:
        listener = desk.stream(4)
        error = await listener.ended
        assert isinstance(error, ValueError)
        assert len(listener.parts) == 3
        assert desk.metrics.failures["processor"] == 1

    told(tmp_path, text, story)


@pytest.mark.parametrize("text", [COUNTING, ASYNC_COUNTING])
def test_a_client_who_wants_one_answer_gets_the_parts_together(tmp_path: Path, text: str) -> None:
    async def story(desk: Desk) -> None:
        assert await desk.submit(3) == {"n": [0, 1, 2]}

    told(tmp_path, text, story)


def test_a_processor_may_answer_both_ways(tmp_path: Path) -> None:
    text = """
class P:
    def predict(self, inputs):
        return {"text": ["one two"]}
    def stream(self, inputs, context):
        yield {"text": [context.parameters["first"]]}
        yield {"text": ["two"]}
"""

    async def story(desk: Desk) -> None:
        assert await desk.submit(0) == {"text": ["one two"]}
        listener = desk.stream(0, parameters={"first": "one"})
        assert await listener.ended is None
        assert listener.parts == [{"text": ["one"]}, {"text": ["two"]}]

    told(tmp_path, text, story)


def test_a_processor_that_does_not_stream_gives_one_part(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        listener = desk.stream(5)
        assert await listener.ended is None
        assert listener.parts == [{"y": 5}]

    told(tmp_path, "class P:\n    def predict(self, inputs): return {'y': inputs['x']}\n", story)


@pytest.mark.parametrize("text", [COUNTING, ASYNC_COUNTING])
def test_a_stream_without_a_listener_is_closed_and_gives_its_slot_back(
    tmp_path: Path, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story(desk: Desk) -> None:
        listener = desk.stream(10**9)
        await listener.have(2)
        listener.stream.cancel()
        seen = len(listener.parts)
        await eventually(lambda: desk.dispatcher.queue.running == 0)
        assert len(listener.parts) == seen
        assert desk.dispatcher.in_flight == 0
        assert desk.metrics.failures["client-gone"] == 1

    told(tmp_path, text, story, worker_threads=1)
    assert "closed" in capfd.readouterr().out


def test_a_slow_client_slows_the_processor_down(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        listener = desk.stream(10**9, deadline=0.2)
        await listener.have(5)
        listener.stream.pause()
        await asyncio.sleep(0.5)  # longer than the deadline between two answers
        before = len(listener.parts)
        await asyncio.sleep(0.05)
        assert len(listener.parts) == before
        listener.stream.resume()
        await listener.have(before + 5)
        assert not listener.ended.done()
        listener.stream.cancel()

    told(tmp_path, COUNTING, story)


def test_a_stream_may_take_longer_than_the_deadline_but_not_between_two_answers(tmp_path: Path) -> None:
    text = """
import time
class P:
    def predict(self, inputs):
        for n in range(4):
            yield {"n": n}
            time.sleep(0.4)
        time.sleep(3)
        yield {"n": 4}
"""

    async def story(desk: Desk) -> None:
        listener = desk.stream(0, deadline=1.2)
        assert isinstance(await listener.ended, Expired)
        assert len(listener.parts) == 4

    told(tmp_path, text, story)


ASYNC = """
import asyncio
class P:
    async def load(self, path, config):
        self.here, self.most, self.lock = 0, 0, asyncio.Lock()
    async def predict(self, inputs):
        self.here += 1
        self.most = max(self.most, self.here)
        try:
            await asyncio.sleep(float(inputs["x"]))
            async with self.lock:
                return {"most": self.most}
        except asyncio.CancelledError:
            print("cancelled", flush=True)
            raise
        finally:
            self.here -= 1
"""


def test_async_requests_are_in_flight_together_although_there_is_one_thread(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        answers = await asyncio.gather(*(desk.submit(0.2) for _ in range(40)))
        assert max(answer["most"] for answer in answers) == 40

    told(tmp_path, ASYNC, story, worker_threads=1)


def test_an_async_request_is_cancelled_when_its_client_has_gone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story(desk: Desk) -> None:
        _answer, job = desk.follow(60.0)
        await eventually(lambda: desk.dispatcher.queue.running == 1)
        desk.dispatcher.drop(job)
        await eventually(lambda: desk.dispatcher.queue.running == 0)

    told(tmp_path, ASYNC, story)
    assert "cancelled" in capfd.readouterr().out


def test_an_async_request_over_its_deadline_is_cancelled(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        with pytest.raises(Expired):
            await desk.submit(60.0, deadline=0.1)
        await eventually(lambda: desk.dispatcher.queue.running == 0)

    told(tmp_path, ASYNC, story)


def test_async_requests_share_a_call_where_batching_is_on(tmp_path: Path) -> None:
    text = """
class P:
    def metadata(self):
        x = {"name": "x", "type": "double", "shape": [-1]}
        return {"inputs": [x], "outputs": [{**x, "name": "rows"}]}
    async def predict(self, inputs):
        if (inputs["x"] < 0).any():
            raise ValueError("negative")
        return {"rows": inputs["x"] * 0 + len(inputs["x"])}
"""

    async def story(desk: Desk) -> None:
        answers = await asyncio.gather(*(desk.submit([float(n)]) for n in range(4)))
        assert answers == [{"rows": [4.0]}] * 4
        mixed = await asyncio.gather(desk.submit([1.0]), desk.submit([-1.0]), return_exceptions=True)
        assert mixed[0] == {"rows": [1.0]}
        assert isinstance(mixed[1], ValueError)

    told(tmp_path, text, story, batching=True, max_batch_size=4, max_batch_timeout_ms=100)


def test_predict_may_take_the_context(tmp_path: Path) -> None:
    text = """
class P:
    def predict(self, inputs, context):
        return {"id": [context.identity], "k": [context.parameters["k"]], "gone": [context.cancelled()]}
"""

    async def story(desk: Desk) -> None:
        assert desk.metadata.context
        answer = await desk.submit(0, identity="r-1", parameters={"k": 7})
        assert answer == {"id": ["r-1"], "k": [7], "gone": [False]}

    told(tmp_path, text, story)


def test_a_second_argument_with_a_default_is_the_users_own(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        assert not desk.metadata.context
        assert await desk.submit(4) == {"y": 8}

    text = "class P:\n    def predict(self, inputs, factor=2): return {'y': inputs['x'] * factor}\n"
    told(tmp_path, text, story)


def test_parts_of_different_shapes_are_listed_for_a_client_who_wants_one_answer(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        answer: Any = await desk.submit(0)
        assert answer == {"y": [[[1, 2]], [[1], [2], [3]]]}

    text = "class P:\n    def predict(self, inputs):\n        yield {'y': [[1, 2]]}\n"
    text += "        yield {'y': [[1], [2], [3]]}\n"
    told(tmp_path, text, story)
