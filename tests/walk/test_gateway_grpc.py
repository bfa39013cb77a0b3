"""gRPC and WebSockets through the real Envoy, to an instance of our runtime and past the gateway's own refusals."""

from __future__ import annotations

import asyncio
import json
import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Cluster, Route, Table
from tests.unit.runtime_kit import IRIS, ROW, Running, processor, serving
from tests.walk.gateway_kit import SECRET, TOKEN, client, free_port, gateway

COUNT = """
import time
import numpy as np
class Count:
    def predict(self, inputs, context):
        for number in range(int(inputs["to"][0])):
            yield {"n": np.array([number])}
            time.sleep(context.parameters.get("pause", 0))
"""


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iris"), model_path=str(IRIS)) as instance:
        yield instance


@pytest.fixture(scope="module")
def count(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("count")
    entry = {"processor_path": processor(home, COUNT), "processor_entry": "processor.py:Count"}
    with serving(home, service="count", processor="python", **entry) as instance:
        yield instance


def tell(tmp_path: Path, wished: Table, story: Callable[[str], None]) -> None:
    async def whole() -> None:
        async with gateway(tmp_path) as made:
            await made.publish(wished)
            await asyncio.to_thread(story, made.address)

    asyncio.run(whole())


def table(iris: Running, count: Running, **options: Any) -> Table:
    """iris with a token, count for everybody, stopped stopped, dead with an instance that is gone."""
    clusters = (
        Cluster("iris", 1, (f"127.0.0.1:{iris.port}",), "/v2/health/live", http2=True),
        Cluster("count", 1, (f"127.0.0.1:{count.port}",), "/v2/health/live", http2=True),
        Cluster("dead", 1, (f"127.0.0.1:{free_port()}",), http2=True),
    )
    routes = (
        Route("iris", ((1, 1),), token=TOKEN, **options), Route("count", ((1, 1),), **options), Route("stopped", ()),
        Route("dead", ((1, 1),)), Route("broken", (), failed=True),
    )  # fmt: skip
    return Table(clusters, routes, SECRET)


def named(service: str, token: str | None = None) -> dict[str, str]:
    return {"x-mlserve-service": service} | ({"authorization": token} if token else {})


def rows(count: int = 1) -> list[triton.InferInput]:
    made = []
    for name, value in ROW.items():
        tensor = triton.InferInput(name, [count, 1], "FP32")
        tensor.set_data_from_numpy(np.full((count, 1), value, np.float32))
        made.append(tensor)
    return made


def to(number: int) -> list[triton.InferInput]:
    tensor = triton.InferInput("to", [1], "INT32")
    tensor.set_data_from_numpy(np.array([number], np.int32))
    return [tensor]


def test_a_call_names_its_service_and_carries_its_token(tmp_path: Path, iris: Running, count: Running) -> None:
    def story(address: str) -> None:
        ask = triton.InferenceServerClient(address)
        for token in (TOKEN, f"Bearer {TOKEN}"):
            headers = named("iris", token)
            answer = ask.infer("iris", rows(), headers=headers, client_timeout=10)
            assert answer.as_numpy("species").tolist() == [b"setosa"]
            assert ask.is_server_ready(headers=headers)
            assert ask.get_model_metadata("iris", headers=headers).name == "iris"
        large = ask.infer("iris", rows(300_000), headers=named("iris", TOKEN))
        assert large.as_numpy("probability").shape == (300_000, 3)
        with grpc.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            asked = health.Check(health_pb2.HealthCheckRequest(), metadata=list(named("iris", TOKEN).items()))
            assert asked.status == health_pb2.HealthCheckResponse.SERVING

    tell(tmp_path, table(iris, count), story)


def test_refusals_have_the_status_that_grpc_has_for_them(tmp_path: Path, iris: Running, count: Running) -> None:
    def story(address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

            def ask(headers: dict[str, str], size: int = 0) -> grpc.RpcError:
                request = service_pb2.ModelInferRequest(model_name="iris", id="x" * size)
                with pytest.raises(grpc.RpcError) as caught:
                    stub.ModelInfer(request, metadata=list(headers.items()), timeout=20)
                assert "{" not in caught.value.details(), caught.value
                return caught.value

            for headers, code, words in (
                (named("iris"), grpc.StatusCode.UNAUTHENTICATED, 'token of service "iris" is missing or wrong'),
                (named("iris", "wrong"), grpc.StatusCode.UNAUTHENTICATED, "missing or wrong"),
                (named("stopped"), grpc.StatusCode.UNAVAILABLE, "stopped"),
                (named("broken"), grpc.StatusCode.UNAVAILABLE, "has failed"),
                (named("dead"), grpc.StatusCode.UNAVAILABLE, "dead"),
                (named("nobody"), grpc.StatusCode.UNIMPLEMENTED, "x-mlserve-service"),
                ({}, grpc.StatusCode.UNIMPLEMENTED, "x-mlserve-service"),
                (named("iris", TOKEN), grpc.StatusCode.INVALID_ARGUMENT, "is missing"),
            ):  # fmt: skip
                error = ask(headers)
                assert (error.code(), words in error.details()) == (code, True), error
            error = ask(named("iris", TOKEN), 200_000)
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    tell(tmp_path, table(iris, count, max_body=100_000), story)


def test_a_stream_may_be_silent_and_large_where_one_answer_may_not(
    tmp_path: Path, iris: Running, count: Running
) -> None:
    def story(address: str) -> None:
        ask = triton.InferenceServerClient(address)
        heard: queue.Queue[tuple[Any, Any]] = queue.Queue()
        ask.start_stream(lambda result, error: heard.put((result, error)), headers=named("count"))
        ask.async_stream_infer("count", to(3), parameters={"pause": 1.5})
        for number in range(3):
            result, error = heard.get(timeout=20)
            assert error is None
            assert result.as_numpy("n").tolist() == [number]
        for _ in range(5):
            ask.async_stream_infer("count", to(1), request_id="x" * 50_000)
        assert all(heard.get(timeout=20)[1] is None for _ in range(5))
        ask.stop_stream()
        with pytest.raises(InferenceServerException, match="did not answer before its deadline"):
            ask.infer("count", to(3), parameters={"pause": 1.5}, headers=named("count"))

    tell(tmp_path, table(iris, count, timeout_seconds=1.0, max_body=100_000), story)


def test_http_keeps_the_protocol_it_came_in(tmp_path: Path, iris: Running, count: Running) -> None:
    async def whole() -> None:
        async with gateway(tmp_path) as made:
            await made.publish(table(iris, count))
            for options in ({}, {"http1": False, "http2": True}):
                await _ask(made, options)

    async def _ask(made: Gateway, options: dict[str, Any]) -> None:
        async with client(made, **options) as ask:
            answer = await ask.post("/iris", json={name: [[value]] for name, value in ROW.items()})
            assert (answer.status_code, answer.json()["species"]) == (200, ["setosa"])
            assert answer.http_version == ("HTTP/2" if options else "HTTP/1.1")
            assert (await ask.get("/iris/v2/models/rose")).status_code == 404
            many = await asyncio.gather(*(ask.get("/iris/v2/health/ready") for _ in range(20)))
            assert {reply.status_code for reply in many} == {200}

    asyncio.run(whole())


def test_only_grpc_is_routed_by_metadata(tmp_path: Path, iris: Running, count: Running) -> None:
    def story(address: str) -> None:
        answer = httpx.get(f"http://{address}/v2", headers=named("count"))
        assert answer.status_code == 404
        assert answer.json()["code"] == "not-found"

    tell(tmp_path, table(iris, count), story)


def test_a_websocket_reaches_the_runtime_through_the_gateway(tmp_path: Path, iris: Running, count: Running) -> None:
    def story(address: str) -> None:
        url = f"ws://{address}/api/predict/iris/v2/models/iris/stream"
        listed = [{"name": name, "shape": [1, 1], "datatype": "FP32", "data": [value]} for name, value in ROW.items()]
        with connect(url, additional_headers={"authorization": TOKEN}, proxy=None) as socket:
            for _ in range(3):
                socket.send(json.dumps({"inputs": listed}))
                assert json.loads(socket.recv(timeout=20))["outputs"][0]["data"] == ["setosa"]
        with pytest.raises(InvalidStatus):
            connect(url, proxy=None)

    tell(tmp_path, table(iris, count), story)
