"""Random messages to every method: each is answered, and what the client got wrong is never called our fault."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from runtime_kit import IRIS, ROW, Running, serving
from tritonclient.grpc import service_pb2
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SEED = int(os.environ.get("MLSERVE_FUZZ_SEED", "7"))
ROUNDS = int(os.environ.get("MLSERVE_FUZZ_ROUNDS", "300"))
ANSWERS = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}  # fmt: skip
SERVICE = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iris"), model_path=str(IRIS), max_body=1 << 20) as instance:
        yield instance


def request(chance: random.Random) -> bytes:
    """A request that is right, or wrong in a few places."""
    made = service_pb2.ModelInferRequest(model_name="iris", id=str(chance.random()))
    for name in ROW:
        rows = chance.choice((1, 1, 1, 2, 0, -1, 1 << 40))
        shape = [[rows, 1], [rows, 1], [rows], [rows, rows], []][chance.choice((0, 0, 0, 1, 2, 3, 4))]
        datatype = chance.choice(("FP32",) * 8 + ("INT64", "BYTES", "FP8", "", "FP16"))
        item = made.inputs.add(name=chance.choice((name,) * 20 + ("x", "")), datatype=datatype, shape=shape)
        if chance.random() < 0.2:
            item.contents.fp32_contents.extend([1.0] * chance.choice((0, 1, 2)))
        if chance.random() < 0.1:
            item.parameters[chance.choice(("a", "shared_memory_region"))].string_param = "x"
    for _ in range(chance.choice((0, 4, 4, 4, 3, 5))):
        made.raw_input_contents.append(chance.randbytes(chance.choice((4, 4, 4, 4, 8, 0, 3))))
    for word in ("classification", "binary_data"):
        if chance.random() < 0.1:
            output = made.outputs.add(name=chance.choice(("probability", "species", "x")))
            output.parameters[word].int64_param = chance.choice((1, 0, -1, 1 << 60))
    for word in ("sequence_id", "priority", "timeout", "sequence_start", "binary_data_output"):
        if chance.random() < 0.05:
            made.parameters[word].int64_param = chance.choice((1, -1, 1 << 62))
    return bytes(made.SerializeToString())


def changed(chance: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice((0, 0, 1, 2, 5))):
        if out:
            at = chance.randrange(len(out))
            out[at : at + chance.choice((0, 1, 1, 5))] = chance.randbytes(chance.choice((0, 1, 1, 4)))
    return bytes(out)


def code_of(ask: Any, message: bytes) -> grpc.StatusCode:
    try:
        ask(message, timeout=20)
    except grpc.RpcError as exc:
        return exc.code()
    return grpc.StatusCode.OK


def test_no_message_is_answered_with_a_fault_of_ours(iris: Running) -> None:
    chance = random.Random(SEED)
    with grpc.insecure_channel(f"127.0.0.1:{iris.port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        stream = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        for number in range(ROUNDS):
            assert code_of(infer, changed(chance, request(chance))) in ANSWERS
            if number % 10 == 0:
                messages = [changed(chance, request(chance)) for _ in range(5)]
                assert len(list(stream(iter(messages), timeout=20))) == 5
        for method in (method for method in SERVICE.methods if not method.client_streaming):
            ask = channel.unary_unary(f"/inference.GRPCInferenceService/{method.name}")
            for _ in range(10):
                assert code_of(ask, chance.randbytes(chance.randrange(20))) in ANSWERS, method.name
    assert "Traceback" not in iris.log


@pytest.mark.parametrize("path", ["/ws", "/v2/models/iris/stream"])
def test_no_websocket_message_brings_the_connection_down(iris: Running, path: str) -> None:
    chance = random.Random(SEED)
    with connect(f"ws://127.0.0.1:{iris.port}{path}", proxy=None) as client:
        for _ in range(ROUNDS):
            data = chance.randbytes(chance.randrange(60))
            client.send(data if chance.random() < 0.5 else data.decode("latin-1"))
            client.recv(timeout=20)
    assert "Traceback" not in iris.log


def test_no_bytes_on_a_websocket_bring_the_server_down(iris: Running) -> None:
    chance = random.Random(SEED)
    for _ in range(ROUNDS // 5):
        client = connect(f"ws://127.0.0.1:{iris.port}/ws", proxy=None)
        with client, suppress(ConnectionClosed, OSError):
            client.socket.sendall(chance.randbytes(chance.randrange(1, 300)))
    assert iris.get("/v2/health/live").status == 200
    assert "Traceback" not in iris.log
