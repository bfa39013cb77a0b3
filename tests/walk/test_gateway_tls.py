"""TLS at the real Envoy: what it speaks, and that another certificate cuts nobody."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mlserve.errors import GatewayFailed
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.table import Cluster, Route, Table
from mlserve.gateway.tls import Certificate
from tests.unit.certificate_kit import certificate
from tests.walk.gateway_kit import SECRET, TOKEN, Instance, Load, instances, kill_envoy


@pytest.fixture(scope="module")
def one() -> Iterator[Instance]:
    with instances("a") as (started,):
        yield started


async def shown(address: str) -> int:
    """The number of the certificate that a new connection is shown."""
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    try:
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
        await writer.wait_closed()
    from cryptography import x509

    return x509.load_der_x509_certificate(found).serial_number


def test_another_certificate_is_shown_at_once_and_no_request_notices(tmp_path: Path, one: Instance) -> None:
    first, second = (Certificate(*certificate(number)) for number in (1, 2))
    trust = ssl.create_default_context(cadata=first.chain + second.chain)

    async def story() -> None:
        made = Gateway(tmp_path / "gateway", "127.0.0.1:0", certificate=first)
        await made.start()
        clusters, routes = (Cluster("iris", 1, (one.address,), "/"),), (Route("iris", ((1, 1),), token=TOKEN),)
        await made.publish(Table(clusters, routes, SECRET))
        base = f"https://{made.address}/api/predict"
        ask = httpx.AsyncClient(base_url=base, headers={"authorization": TOKEN}, verify=trust, timeout=20)
        assert await shown(made.address) == 1
        load = Load(ask)
        async with load.running(4):
            for number, each in ((2, second), (1, first), (2, second)):
                await made.certify(each)
                assert await shown(made.address) == number
        assert load.failures == []
        with pytest.raises(GatewayFailed):
            await made.certify(Certificate(first.chain, second.key))
        assert await shown(made.address) == 2, "a key that does not fit changes nothing"
        assert first.key not in repr(first)
        await ask.aclose()
        async with httpx.AsyncClient() as plain:
            with pytest.raises(httpx.TransportError):
                await plain.get(f"http://{made.address}/api/predict/iris")

    try:
        asyncio.run(story())
    finally:
        kill_envoy(tmp_path / "gateway")
