"""A hub and a gateway that other machines reach: with TLS, and through a renewed certificate without a lost request."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.unit.certificate_kit import certificate, write
from tests.waiting import eventually, until
from tests.walk.test_access import wish
from tests.walk.test_cli import document
from tests.walk.test_cli import mlserve as command
from tests.walk.test_gateway_tls import shown

pytestmark = pytest.mark.timeout(300)


def test_other_machines_reach_no_hub_without_tls(home: Path) -> None:
    refused = command("hub", "start", "--listen", "0.0.0.0:0")
    assert refused.returncode not in (0, 1)
    assert "without TLS" in refused.stderr
    assert "--insecure" in refused.stderr
    assert not (home / "hub.json").exists()
    assert not (home / "gateway" / "envoy.json").exists(), "nothing was started"


def test_an_insecure_hub_is_one_that_was_asked_for(home: Path) -> None:
    status = document("hub", "start", "--listen", "0.0.0.0:0", "--insecure")
    assert status["open_at"].startswith("http://0.0.0.0:")
    assert httpx.get(status["open_at"].replace("0.0.0.0", "127.0.0.1") + "/healthz").status_code == 200
    assert command("hub", "start", "--listen", "0.0.0.0:0", "--insecure").returncode == 4, "it runs already"


def test_a_renewed_certificate_is_shown_by_both_and_no_request_notices(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = tmp_path / "trusted.pem"
    chain, key = write(tmp_path / "tls", 1)
    trusted.write_text(chain.read_text())
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    status = document("hub", "start", "--listen", "127.0.0.1:0", "--tls-cert", str(chain), "--tls-key", str(key))
    assert status["open_at"].startswith("https://127.0.0.1:")
    assert status["url"].startswith("http://127.0.0.1:"), "clients of this machine need no certificate"
    token = json.loads((home / "hub.json").read_text())["token"]
    made = json.loads(command("create", wish(tmp_path, "app"), "-o", "json").stdout)
    assert made["endpoint"].startswith("https://127.0.0.1:")
    elsewhere = {"MLSERVE_HUB": status["open_at"], "MLSERVE_TOKEN": token}
    assert "app" in command("list", **elsewhere).stdout
    stranger = command("list", **elsewhere, SSL_CERT_FILE="/nowhere.pem")
    assert (stranger.returncode, "SSL_CERT_FILE" in stranger.stderr) == (6, True)

    addresses = [urlsplit(address).netloc for address in (status["open_at"], made["endpoint"])]
    asyncio.run(_renewed(addresses, made, tmp_path / "tls"))
    trusted.write_text(chain.read_text())

    assert command("hub", "stop").returncode == 0
    until(lambda: command("list").returncode == 0)
    again = document("hub", "status")
    assert again["open_at"].startswith("https://")
    assert asyncio.run(shown(addresses[1])) == asyncio.run(shown(urlsplit(again["open_at"]).netloc))
    for file in home.rglob("*"):
        if file.is_file() and b"PRIVATE KEY" in file.read_bytes():
            assert file.stat().st_mode & 0o777 == 0o600


async def _renewed(addresses: list[str], made: dict[str, str], tls: Path) -> None:
    """Two files are replaced, one long after the other, while requests go on."""
    assert [await shown(address) for address in addresses] == [1, 1]
    counted: Counter[int] = Counter()
    asking = [asyncio.create_task(_ask(made, counted)) for _ in range(2)]
    await asyncio.to_thread((tls / "cert.pem").write_text, certificate(7)[0])
    await asyncio.sleep(1.5)
    assert [await shown(address) for address in addresses] == [1, 1], "its key is not there yet"
    await asyncio.to_thread(write, tls, 2)

    async def both() -> bool:
        return [await shown(address) for address in addresses] == [2, 2]

    await eventually(both)
    for task in asking:
        task.cancel()
    ended = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
    assert list(counted) == [200]


async def _ask(made: dict[str, str], counted: Counter[int]) -> None:
    async with httpx.AsyncClient(headers={"authorization": made["token"]}, timeout=20) as asking:
        while True:
            counted[(await asking.get(f"{made['endpoint']}/x")).status_code] += 1
