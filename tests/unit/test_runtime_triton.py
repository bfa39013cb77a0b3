"""Triton's own client against our Open Inference Protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as tritonclient
from runtime_kit import IRIS, ROW, serving


def test_a_triton_client_gets_what_it_asks_for(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS)) as iris:
        client = tritonclient.InferenceServerClient(f"127.0.0.1:{iris.port}")
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("iris")
        assert not client.is_model_ready("other")
        assert client.get_model_metadata("iris", "3")["inputs"][0]["datatype"] == "FP32"
        assert client.get_server_metadata()["extensions"]
        for binary in (True, False):
            inputs = [tritonclient.InferInput(name, [2, 1], "FP32") for name in ROW]
            for tensor in inputs:
                tensor.set_data_from_numpy(np.full((2, 1), ROW[tensor.name()], np.float32), binary_data=binary)
            outputs = [
                tritonclient.InferRequestedOutput(name, binary_data=binary) for name in ("species", "probability")
            ]
            result = client.infer("iris", inputs, request_id="r1", outputs=outputs)
            assert result.as_numpy("probability").shape == (2, 3)
            assert result.get_response()["id"] == "r1"
            assert [w if isinstance(w, str) else w.decode() for w in result.as_numpy("species")] == ["setosa", "setosa"]
        with pytest.raises(tritonclient.InferenceServerException, match='no model "other"'):
            client.get_model_metadata("other")
        client.close()
