"""Who answers changes under constant load, over TLS: weights of a group, certificates, keys, who is alive."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.chaos.load import Answer
from tests.chaos.shop import LIMIT, under_load, wish
from tests.chaos.table import Table
from tests.unit.certificate_kit import write
from tests.waiting import until
from tests.walk.test_cli import document

import mlserve
from mlserve.client import Client, Service

GROUP = {"group": "shops"}


@pytest.fixture(scope="module")
def certified(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the certificate that the module's hub and gateway show."""
    folder = tmp_path_factory.mktemp("tls")
    chain, key = write(folder, 1)
    document("hub", "start", "--listen", "127.0.0.1:0", "--tls-cert", chain, "--tls-key", key)
    return folder


@pytest.fixture(scope="module")
def services(certified: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Service]:
    """Two members of a group, and a service with a lighter one behind it."""
    folder = tmp_path_factory.mktemp("shops")
    behind: dict[str, Any] = {"fallback": {"service": "lite"}, "environment": {"ROOM": "1", "SECONDS": "0.02"}}
    wishes = [
        wish(folder, "blue", name="blue", metadata=GROUP),
        wish(folder, "green", name="green", metadata=GROUP),
        wish(folder, "lite", name="lite"),
        wish(folder, "heavy", name="heavy", **behind),
    ]
    with mlserve.connect() as client:
        made = [client.services.create(one) for one in wishes[:3]]
        made = [one.wait(timeout=LIMIT) for one in made]
        made.append(client.services.create(wishes[3]).wait(timeout=LIMIT))
    return {one.name: one for one in made}


@pytest.fixture
def tls() -> ssl.SSLContext:
    """Takes any certificate: OpenSSL can't trust two authorities of one name, the old one and the renewed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_certificate_and_keys_are_rotated(
    hub: Client, services: dict[str, Service], certified: Path, tls: ssl.SSLContext, table: Table
) -> None:
    token = hub.tokens.create(["blue"])["token"]
    before = shown(services["blue"])
    with under_load(services["blue"], f"Bearer {token}", tls) as load:
        write(certified, 2)
        until(lambda: shown(services["blue"]) != before)
        load.wait_for(100)
        hub.tokens.rotate()
        load.wait_for(100)
    assert table.add("rotation of the certificate and of the key of tokens", load) == []


def test_weights_of_a_group_change(
    hub: Client, services: dict[str, Service], tls: ssl.SSLContext, table: Table
) -> None:
    with under_load(hub.groups.get("shops"), tls=tls) as load:
        for blue in (90, 0, 100, 40):
            hub.groups.traffic("shops", {"blue": blue, "green": 100 - blue})
            load.wait_for(40)
        hub.groups.traffic("shops", auto=True)
    assert table.add("weights of a group: 90/10, 0/100, 100/0, 40/60", load) == []


def test_all_of_a_member_die(hub: Client, services: dict[str, Service], tls: ssl.SSLContext, table: Table) -> None:
    with under_load(hub.groups.get("shops"), tls=tls) as load:
        killed = kill(services["green"])
        until(lambda: replaced(services["green"], killed))
    assert table.add("SIGKILL of all instances of a group's member", load) == []


def test_more_requests_than_there_is_room_for(services: dict[str, Service], tls: ssl.SSLContext, table: Table) -> None:
    with under_load(services["heavy"], tls=tls) as load:
        load.wait_for(200)
    assert table.add("more requests than fit, the rest to the fallback", load) == []
    assert 0 < marked(load.good()) < len(load.good()), "both are used"


def test_all_of_a_service_with_a_fallback_die(services: dict[str, Service], tls: ssl.SSLContext, table: Table) -> None:
    with under_load(services["heavy"], tls=tls) as load:
        killed = kill(services["heavy"])
        until(lambda: replaced(services["heavy"], killed))
    assert table.add("SIGKILL of all instances of a service with a fallback", load) == []
    assert marked(load.good())


def kill(service: Service) -> set[int]:
    """Every instance; which these were."""
    pids = {int(one["pid"]) for one in service.instances()}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


def replaced(service: Service, killed: set[int]) -> bool:
    there = service.instances()
    return len(there) == 2 and all(one["state"] == "Ready" and one["pid"] not in killed for one in there)


def marked(answers: Sequence[Answer]) -> int:
    """How many say that the fallback gave them."""
    return sum(answer.marked for answer in answers)


def shown(service: Service) -> str:
    """The certificate that a new connection to the gateway is shown."""
    address = urlsplit(service.endpoint)
    return ssl.get_server_certificate((str(address.hostname), int(address.port or 0)))
