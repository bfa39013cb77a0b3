"""Those who watch see requests of every protocol alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
from observe_kit import captured
from runtime_kit import IRIS, ROW, serving, until
from tritonclient.utils import InferenceServerException
from websockets.sync.client import connect


def test_calls_of_grpc_and_messages_of_websockets_are_captured(tmp_path: Path) -> None:
    wished = {"percent": 100, "to": str(tmp_path / "captures")}
    with serving(tmp_path / "home", model_path=str(IRIS), capture=wished) as instance:
        ask = triton.InferenceServerClient(f"127.0.0.1:{instance.port}")
        inputs = []
        for name, value in ROW.items():
            inputs.append(triton.InferInput(name, [1, 1], "FP32"))
            inputs[-1].set_data_from_numpy(np.array([[value]], np.float32))
        ask.infer("iris", inputs, request_id="unary")
        with pytest.raises(InferenceServerException):
            ask.infer("rose", inputs)
        ask.start_stream(lambda result, error: None)
        ask.async_stream_infer("iris", inputs, request_id="streamed")
        ask.stop_stream()
        with connect(f"ws://127.0.0.1:{instance.port}/ws", proxy=None) as socket:
            socket.send(json.dumps(ROW))
            socket.recv(timeout=20)
        until(lambda: len(captured(tmp_path)) == 4)
        unary, refused, streamed, message = captured(tmp_path)
    assert [record["status"] for record in (unary, refused, streamed, message)] == [200, 404, 200, 200]
    assert (unary["id"], streamed["id"]) == ("unary", "streamed")
    assert unary["path"].endswith("/ModelInfer")
    assert message["path"] == "/ws"
    for record in (unary, streamed, message):
        answered = {tensor["name"]: tensor["data"] for tensor in record["response"]["outputs"]}
        assert answered["species"] == ["setosa"]
