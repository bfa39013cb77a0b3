"""A service that asks for a GPU fails where it would compute on the CPU, unless it allows that."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.loading import load
from mlserve.runtime.spec import Spec

IRIS = Path(__file__).parents[2] / "examples" / "iris" / "iris.onnx"


def spec(*, allow_cpu: bool) -> Spec:
    return Spec(service="iris", processor="onnx", model_path=str(IRIS), gpu=1, allow_cpu=allow_cpu)


def test_without_a_gpu_the_start_fails() -> None:
    with pytest.raises(StartFailure) as caught:
        load(spec(allow_cpu=False))
    assert caught.value.cause == "gpu-unavailable"


def test_where_that_is_allowed_it_computes_on_the_cpu_and_says_so() -> None:
    assert (load(spec(allow_cpu=True)).metadata().facts or {})["device"] == "cpu"
