"""What warm-up measures decides how calls are made: stand-ins with known costs, and real models."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
from runtime_kit import IRIS

from mlserve.runtime.loading import load
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.scheduling.plan import Plan
from mlserve.runtime.scheduling.profile import plan
from mlserve.runtime.scheduling.sweep import batch_for
from mlserve.runtime.signature import Signature
from mlserve.runtime.spec import Spec

X = Tensor("x", "FP32", (-1, 1))


class Model:
    """Takes ``each`` seconds for each row and ``call`` for each call, waiting: any number of calls fit beside."""

    def __init__(self, call: float, each: float, *, one_at_a_time: bool = False, gain: float = 1.0) -> None:
        self.call, self.each, self.gain = call, each, gain
        self.threads = 1
        self._lock = Lock() if one_at_a_time else None

    def load(self, path: Path, config: dict[str, Any]) -> None:
        """Nothing to load."""

    def metadata(self) -> Metadata:
        facts = {"threads": {"model": self.threads}, "device": "cpu"}
        return Metadata((X,), (Tensor("y", "FP32", (-1, 1)),), rows=True, facts=facts)

    def predict(self, inputs: Any) -> Any:
        seconds = (self.call + self.each * len(inputs["x"])) / (self.gain if self.threads > 1 else 1)
        if self._lock is None:
            _spend(seconds)
        else:
            with self._lock:
                _spend(seconds)
        return {"y": inputs["x"]}

    def resize(self, threads: int) -> None:
        self.threads = threads


def _spend(seconds: float) -> None:
    """The time of this thread, for that is what is measured; others go on."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        time.sleep(0)


def planned(model: Any, **more: Any) -> Plan:
    spec = Spec("s", "onnx", **({"cpu": 2, "worker_threads": 5} | more))
    sample = {"x": np.zeros((1, 1), np.float32)}
    return plan(model, Signature(model.metadata()), spec, sample)


def test_a_short_call_runs_in_the_event_loop_and_takes_as_many_rows_as_there_are() -> None:
    found = planned(Model(call=5e-6, each=1e-8))
    assert found.batch_rows >= 16
    assert found.costs.short_rows == 64


def test_rows_that_cost_the_same_together_share_small_calls_on_threads() -> None:
    found = planned(Model(call=1e-5, each=8e-4))
    assert 1 <= found.batch_rows <= 4
    assert found.costs.short_rows == 0


def test_one_core_has_one_slot() -> None:
    assert planned(Model(call=1e-5, each=8e-4), cpu=1).slots == 1


def test_calls_that_hinder_one_another_are_made_one_by_one_on_all_cores() -> None:
    model = Model(call=2e-3, each=2e-3, one_at_a_time=True, gain=3.0)
    assert planned(model).slots == 1
    assert model.threads == 2


def test_a_user_s_own_code_is_not_measured_and_keeps_its_threads(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("class P:\n    def predict(self, inputs): return inputs\n")
    loaded = load(Spec("s", "python", processor_path=str(tmp_path)))
    found = plan(loaded, Signature(loaded.metadata()), Spec("s", "python", worker_threads=7), None)
    assert (found.slots, found.batch_rows, found.costs.short_rows) == (7, 1, 0)


def test_batching_as_the_descriptor_asks_for_it() -> None:
    found = planned(Model(call=1e-5, each=1e-6), batching=True, max_batch_size=5, max_batch_timeout_ms=7)
    assert (found.batch_rows, found.hold_seconds) == (5, 0.007)


@pytest.mark.parametrize("threads", [None, 2])
def test_onnx_runtime_is_told_its_threads(threads: int | None) -> None:
    config = {} if threads is None else {"intra_op_num_threads": threads}
    loaded: Any = load(Spec("s", "onnx", model_path=str(IRIS), model_config=config))
    row = {tensor.name: np.ones((1, 1), np.float32) for tensor in loaded.metadata().inputs}
    before = loaded.predict(row)
    loaded.resize(4)
    assert loaded.metadata().facts["threads"] == {"onnxruntime": 4 if threads is None else 2}
    assert loaded.predict(row)["species"].tolist() == before["species"].tolist()
    spec = Spec("s", "onnx", cpu=4)
    assert plan(loaded, Signature(loaded.metadata()), spec, row).slots == (1 if threads is None else 2)


@pytest.mark.parametrize(
    ("microseconds", "rows"),
    [
        ({1: 8, 2: 9, 4: 10, 8: 10, 16: 11, 32: 14, 64: 18}, 64),  # next to nothing: as many as there are
        ({1: 127, 2: 121, 4: 153, 8: 285, 16: 564, 32: 1160, 64: 2322}, 64),  # dear calls, cheap rows
        ({1: 127, 2: 121, 4: 148, 8: 330, 16: 564, 32: 1250, 64: 2400}, 64),  # the same, disturbed here and there
        ({1: 772, 2: 1505, 4: 2988, 8: 6100}, 4),  # rows gain nothing: no call that others wait long for
        ({1: 5000, 2: 5200, 4: 5600, 8: 6400}, 8),  # long anyway, and worth it
        ({1: 50, 2: 160, 4: 400, 8: 900}, 1),  # rows hinder one another
    ],
)
def test_a_call_has_as_many_rows_as_pay_while_it_is_short(microseconds: dict[int, int], rows: int) -> None:
    assert batch_for({size: cost * 1e-6 for size, cost in microseconds.items()}, lambda seconds: 20e-6) == rows
