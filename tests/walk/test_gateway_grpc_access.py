"""Calls of gRPC with tokens that the hub issued, and more of them than a service takes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlserve.gateway.table import Access, Cluster, Route, Table
from tests.unit import jwt_kit as kit
from tests.unit.runtime_kit import IRIS, Running, serving
from tests.walk.gateway_kit import SECRET, TOKEN, gateway

OURS = kit.key()
ACCESS = Access(kit.ISSUER, (kit.jwk(OURS, "k1"),), frozenset({"gone"}), frozenset({"iris", "ir*", "wine"}))


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iris"), model_path=str(IRIS)) as instance:
        yield instance


def tell(tmp_path: Path, iris: Running, rate: int, story: Callable[[str], None]) -> None:
    cluster = Cluster("iris", 1, (f"127.0.0.1:{iris.port}",), "/v2/health/live", http2=True)
    table = Table((cluster,), (Route("iris", ((1, 1),), token=TOKEN, rate=rate),), SECRET)

    async def whole() -> None:
        async with gateway(tmp_path) as made:
            await made.admit(ACCESS)
            await made.publish(table)
            await asyncio.to_thread(story, made.address)

    asyncio.run(whole())


def asked(address: str, *tokens: str) -> list[grpc.StatusCode]:
    found = []
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for token in tokens:
            metadata = (("x-mlserve-service", "iris"), ("authorization", token))
            try:
                stub.ModelMetadata(service_pb2.ModelMetadataRequest(name="iris"), metadata=metadata, timeout=10)
                found.append(grpc.StatusCode.OK)
            except grpc.RpcError as exc:
                found.append(exc.code())
    return found


def test_a_call_takes_such_a_token_and_a_wrong_one_is_told_apart(tmp_path: Path, iris: Running) -> None:
    def story(address: str) -> None:
        right = [TOKEN, f"Bearer {kit.token(OURS, 'k1', 'ir*')}", kit.token(OURS, "k1", "iris")]
        other, revoked = kit.token(OURS, "k1", "wine"), kit.token(OURS, "k1", "iris", jti="gone")
        tokens = [*right, other, kit.token(kit.key(), "k1", "iris"), revoked, kit.unsigned("iris"), "wrong"]
        ok, denied, forbidden = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
        assert asked(address, *tokens) == [ok, ok, ok, forbidden, denied, denied, denied, denied]

    tell(tmp_path, iris, 0, story)


def test_calls_beyond_the_limit_are_told_that_the_resource_is_exhausted(tmp_path: Path, iris: Running) -> None:
    def story(address: str) -> None:
        counted = Counter(asked(address, *[TOKEN] * 20, *[kit.token(OURS, "k1", "iris")] * 20))
        assert set(counted) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}

    tell(tmp_path, iris, 5, story)
