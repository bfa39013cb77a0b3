"""The Open Inference Protocol over HTTP, refereed by Triton's own clients and by the protocol's published examples."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as http
import tritonclient.http.aio as http_aio
from tests.unit.runtime_kit import Running, processor, serving
from tritonclient.utils import InferenceServerException

MODEL = """
import time
from mlserve.runtime.processors.base import Metadata, Tensor

LABELS = ("cat", "dog", "fish", "bird")

class Model:
    def metadata(self):
        return Metadata(
            (Tensor("x", "FP32", (-1, 4)),),
            (Tensor("scores", "FP32", (-1, 4), labels=LABELS), Tensor("whole", "UINT8", (-1, 4)),
             Tensor("said", "BYTES", (-1,))),
            "python", context=True, trusted=False,
        )
    def predict(self, inputs, context):
        x = inputs["x"]
        sequence = context.sequence
        context.state["sum"] = context.state.get("sum", 0) + float(x.sum())
        said = repr((sorted(context.parameters.items()), context.identity, sequence and sequence.identity,
                     context.state["sum"]))
        return {"scores": x, "whole": x.astype("uint8"), "said": [said] * len(x)}
"""
ROW = np.array([[0.1, 0.7, 0.2, 0.7]], np.float32)
PATH = "/v2/models/mymodel/infer"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("model")
    with serving(home, processor="python", processor_path=processor(home, MODEL), service="mymodel") as running:
        yield running


@pytest.fixture
def client(instance: Running) -> Iterator[Any]:
    client = http.InferenceServerClient(f"127.0.0.1:{instance.port}")
    yield client
    client.close()


def tensor(array: Any = ROW, binary: bool = True) -> Any:
    item = http.InferInput("x", list(array.shape), "FP32")
    item.set_data_from_numpy(array, binary_data=binary)
    return item


@pytest.mark.parametrize("binary", [True, False])
def test_the_best_classes_come_with_value_index_and_label(client: Any, binary: bool) -> None:
    wanted = [
        http.InferRequestedOutput("scores", binary_data=binary, class_count=3),
        http.InferRequestedOutput("whole", binary_data=binary, class_count=9),
    ]
    result = client.infer("mymodel", [tensor(binary=binary)], outputs=wanted)
    found = [w if isinstance(w, str) else w.decode() for w in result.as_numpy("scores").ravel()]
    assert found == ["0.700000:1:dog", "0.700000:3:bird", "0.200000:2:fish"]
    assert result.as_numpy("whole").shape == (1, 4)
    assert result.get_output("scores")["datatype"] == "BYTES"
    with pytest.raises(InferenceServerException, match="classification"):
        client.infer("mymodel", [tensor()], outputs=[http.InferRequestedOutput("said", class_count=1)])


def test_parameters_ids_priority_and_sequences_reach_the_model(client: Any) -> None:
    result = client.infer("mymodel", [tensor()], request_id="r7", priority=2, timeout=5_000_000, parameters={"k": 1.5})
    said = result.as_numpy("said")[0]
    assert "('k', 1.5)], 'r7', None" in (said if isinstance(said, str) else said.decode())
    assert result.get_response()["id"] == "r7"
    totals = []
    for step in range(3):
        result = client.infer(
            "mymodel",
            [tensor(np.ones((1, 4), np.float32))],
            sequence_id=42,
            sequence_start=step == 0,
            sequence_end=step == 2,
        )
        totals.append(result.as_numpy("said")[0])
    assert [re.findall(r"[\d.]+", str(total))[-1] for total in totals] == ["4.0", "8.0", "12.0"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"parameters": {"k": [1]}}, '"k"'),
        ({"parameters": []}, '"parameters"'),
        ({"parameters": {"priority": -1}}, '"priority"'),
        ({"parameters": {"timeout": "soon"}}, '"timeout"'),
        ({"parameters": {"sequence_id": 1.5}}, '"sequence_id"'),
        ({"parameters": {"sequence_id": 1, "sequence_start": 1}}, '"sequence_start"'),
        ({"id": {}}, '"id"'),
        ({"outputs": {}}, '"outputs"|^$'),
        ({"outputs": [{}]}, '"outputs"'),
        ({"outputs": [{"name": "nope"}]}, "scores, whole, said"),
        ({"outputs": [{"name": "scores", "parameters": {"classification": -1}}]}, "classification"),
        ({"outputs": [{"name": "scores", "parameters": {"shared_memory_region": "r"}}]}, "shared memory"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "parameters": {"shared_memory_region": "r"}}]},
         "shared memory"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}, "wants FP32"),
        ({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": [1, 2, 3, 4]}]}, "came FP64"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_the_reason(instance: Running, body: dict[str, Any], said: str) -> None:
    good = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
    answer = instance.post(PATH, good | body)
    if body == {"outputs": {}}:
        assert answer.status == 200  # nothing chosen is everything
        return
    assert answer.status == 400
    assert re.search(said, answer.json["error"])


def test_the_model_says_what_it_is_and_what_it_has_done(client: Any, instance: Running) -> None:
    client.infer("mymodel", [tensor()])
    extensions = client.get_server_metadata()["extensions"]
    assert {"binary_tensor_data", "classification", "statistics", "model_repository"} <= set(extensions)
    config = client.get_model_config("mymodel")
    assert config["input"][0] == {"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 4], "optional": False}
    assert config["max_batch_size"] == 0
    for statistics in (client.get_inference_statistics(), client.get_inference_statistics("mymodel", "3")):
        done = statistics["model_stats"][0]
        assert (done["name"], done["version"]) == ("mymodel", "3")
        assert done["inference_stats"]["success"]["count"] >= 1
        assert done["inference_stats"]["compute_infer"]["ns"] > 0
    assert client.get_model_repository_index() == [{"name": "mymodel", "version": "3", "state": "READY", "reason": ""}]
    client.load_model("mymodel")
    for act, said in (
        (lambda: client.unload_model("mymodel"), "mlserve stop"),
        (lambda: client.load_model("x"), "no model"),
    ):
        with pytest.raises(InferenceServerException, match=said):
            act()
    with pytest.raises(InferenceServerException, match="mlserve update"):
        client.load_model("mymodel", config='{"name": "mymodel"}')


@pytest.mark.parametrize("path", ["", "/infer", "/ready", "/config", "/stats"])
def test_a_version_that_is_not_served_is_named(instance: Running, path: str) -> None:
    answer = instance.ask("POST" if path == "/infer" else "GET", f"/v2/models/mymodel/versions/9{path}", None)
    assert answer.status == 404
    assert answer.json["error"] == 'model "mymodel" has no version 9 here (version: 3)'


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_are_taken(client: Any, algorithm: str) -> None:
    result = client.infer("mymodel", [tensor()], request_compression_algorithm=algorithm)
    assert result.as_numpy("scores").tolist() == ROW.tolist()


def test_a_raw_body_is_a_request_and_is_answered_in_binary(instance: Running) -> None:
    answer = instance.post(PATH, ROW.tobytes(), inference_header_content_length="0")
    size = int(answer.headers["inference-header-content-length"])
    assert json.loads(answer.body[:size])["outputs"][0]["parameters"]["binary_data_size"] == 16
    assert answer.body[size : size + 16] == ROW.tobytes()


def test_the_asynchronous_client_is_answered_alike(instance: Running) -> None:
    async def story() -> None:
        async with http_aio.InferenceServerClient(f"127.0.0.1:{instance.port}") as client:
            assert await client.is_model_ready("mymodel")
            results = await asyncio.gather(
                *(client.infer("mymodel", [tensor(ROW * n)], request_id=str(n)) for n in range(20))
            )
            for n, result in enumerate(results):
                assert result.get_response()["id"] == str(n)
                assert np.array_equal(result.as_numpy("scores"), ROW * n)

    asyncio.run(story())


EXAMPLE = """
class Model:
    def metadata(self):
        return {"inputs": [{"name": "input0", "type": "UINT32", "shape": [2, 2]},
                           {"name": "input1", "type": "BOOL", "shape": [3]}],
                "outputs": [{"name": "output0", "type": "FP32", "shape": [3, 2]}]}
    def predict(self, inputs):
        import numpy as np
        assert inputs["input0"].tolist() == [[1, 2], [3, 4]]
        assert inputs["input1"].tolist() == [True, False, True]
        return {"output0": np.array([[1.0, 1.1], [2.0, 2.1], [3.0, 3.1]], np.float32)}
"""


def test_the_protocols_own_example_is_answered_as_published(tmp_path: Path) -> None:
    request = {
        "id": "42",
        "inputs": [
            {"name": "input0", "shape": [2, 2], "datatype": "UINT32", "data": [1, 2, 3, 4]},
            {"name": "input1", "shape": [3], "datatype": "BOOL", "data": [True, False, True]},
        ],
        "outputs": [{"name": "output0"}],
    }
    answer = {"name": "output0", "shape": [3, 2], "datatype": "FP32", "data": [1.0, 1.1, 2.0, 2.1, 3.0, 3.1]}
    with serving(
        tmp_path, processor="python", processor_path=processor(tmp_path, EXAMPLE), service="mymodel"
    ) as instance:
        told = instance.post(PATH, request).json
        assert (told["id"], told["model_name"], told["outputs"]) == ("42", "mymodel", [answer])
        request["inputs"][0]["data"] = [[1, 2], [3, 4]]  # type: ignore[index]
        assert instance.post(PATH, request).json["outputs"] == [answer]
        header = (
            b'{"model_name":"mymodel","inputs":[{"name":"input0","shape":[2,2],"datatype":"UINT32","parameters":'
            b'{"binary_data_size":16}},{"name":"input1","shape":[3],"datatype":"BOOL","parameters":{"binary_data_size":3}}],'
            b'"outputs":[{"name":"output0","parameters":{"binary_data":true}}]}'
        )
        raw = np.array([1, 2, 3, 4], "<u4").tobytes() + b"\1\0\1"
        told = instance.post(PATH, header + raw, inference_header_content_length=str(len(header)))
        size = int(told.headers["inference-header-content-length"])
        assert json.loads(told.body[:size])["outputs"] == [
            {"name": "output0", "shape": [3, 2], "datatype": "FP32", "parameters": {"binary_data_size": 24}}
        ]
        assert np.frombuffer(told.body[size:], "<f4").round(1).tolist() == np.float32(answer["data"]).round(1).tolist()
