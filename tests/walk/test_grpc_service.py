"""A service is created, and gRPC calls reach it through its gateway."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from mlserve.client import Client
from tests.unit.runtime_kit import ROW, until


@pytest.mark.timeout(300)
def test_a_service_that_was_just_created_answers_grpc(client: Client, iris: Path) -> None:
    service = client.services.create(iris)
    service.wait()
    ask = triton.InferenceServerClient(client.hub.status()["gateway"].removeprefix("http://"))
    headers = {"x-mlserve-service": "iris", "authorization": service.token}
    inputs = []
    for name, value in ROW.items():
        inputs.append(triton.InferInput(name, [1, 1], "FP32"))
        inputs[-1].set_data_from_numpy(np.array([[value]], np.float32))
    assert ask.is_model_ready("iris", headers=headers)
    assert ask.infer("iris", inputs, headers=headers).as_numpy("species").tolist() == [b"setosa"]
    with pytest.raises(InferenceServerException, match="missing or wrong"):
        ask.infer("iris", inputs, headers={"x-mlserve-service": "iris"})
    service.stop()
    until(lambda: _refusal(ask, headers))
    assert "is stopped or not ready" in _refusal(ask, headers)


def _refusal(ask: triton.InferenceServerClient, headers: dict[str, str]) -> str:
    try:
        ask.is_model_ready("iris", headers=headers)
    except InferenceServerException as exc:
        return str(exc)
    return ""
