"""Every way to an engine but ssh, on a real one: by socket, TLS and a context; each failure with what to do next."""

from __future__ import annotations

import asyncio
import grp
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.docker_connecting import connected, plain_server, refused, version
from tests.docker_engine import Engine as Dockerd
from tests.docker_engine import engine
from tests.unit.test_docker_target import context
from tests.waiting import eventually

from mlserve.errors import MlserveError, NotFound, ResourceUnavailable

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def remote() -> Iterator[Dockerd]:
    """An engine that listens for TLS, too."""
    with engine(tls=True) as made:
        yield made


def tls(remote: Dockerd, **other: Path) -> dict[str, str]:
    assert remote.tls
    files = {"tls_ca": remote.tls.ca, "tls_cert": remote.tls.cert, "tls_key": remote.tls.key, **other}
    return {"host": remote.tls.host, **{name: str(path) for name, path in files.items()}}


def test_a_socket_is_used_and_its_ports_are_on_the_loopback(remote: Dockerd, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with connected(tmp_path, {"host": remote.host}) as opened:
            assert await version(opened)
            assert (opened.trouble, opened.address, opened.warning) == ("", "127.0.0.1", "")
            assert await opened.reach(8000) == "127.0.0.1:8000"
            with pytest.raises(NotFound) as caught:
                await opened.call(lambda client: client.images.get("nowhere/nothing"))
            assert caught.value.details[0]["code"] == "image-missing"

    asyncio.run(scenario())


def test_a_context_of_docker_is_a_host(remote: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remote.tls
    files = Path(context(tmp_path / "docker", "box", Host=remote.tls.host))
    files.mkdir(parents=True)
    for path in (remote.tls.ca, remote.tls.cert, remote.tls.key):
        shutil.copy(path, files / path.name)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))

    async def scenario() -> None:
        async with connected(tmp_path / "home", {"host": "box"}) as opened:
            assert await version(opened)

    asyncio.run(scenario())


HOSTILE = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
ELSEWHERE = ("SSL_CERT_DIR", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_API_VERSION")


@pytest.mark.parametrize("hostile", [*HOSTILE, *ELSEWHERE])
def test_tls_is_not_broken_by_the_environment(
    remote: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hostile: str
) -> None:
    bundle = tmp_path / "other.pem"
    bundle.write_bytes(b"")
    values = {"BUNDLE": str(bundle), "FILE": str(bundle), "PROXY": "http://127.0.0.1:9"}
    monkeypatch.setenv(hostile, values.get(hostile.rpartition("_")[2], "/nowhere"))

    async def scenario() -> None:
        async with connected(tmp_path / "home", tls(remote)) as opened:
            assert await version(opened)

    asyncio.run(scenario())


@pytest.mark.parametrize("trusted", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_who_the_environment_trusts_does_not_stand_in_for_the_given_authority(
    remote: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    assert remote.tls
    monkeypatch.setenv(trusted, str(remote.tls.ca))
    error = refused(tmp_path / "home", tls(remote, tls_ca=authority(tmp_path)))
    assert "signed by another authority" in error.message


def test_ports_of_an_engine_by_tcp_are_open_to_whoever_reaches_it(remote: Dockerd, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with connected(tmp_path, {**tls(remote), "address": "127.0.0.2"}) as opened:
            assert await version(opened)
            assert await opened.reach(8000) == "127.0.0.2:8000"
            assert "127.0.0.2" in opened.warning

    asyncio.run(scenario())


def test_a_wrong_authority_is_told(remote: Dockerd, tmp_path: Path) -> None:
    other = authority(tmp_path)
    error = refused(tmp_path / "home", tls(remote, tls_ca=other))
    assert "signed by another authority" in error.message
    assert "--tls-ca" in error.hint


def test_a_client_without_or_with_a_foreign_certificate_is_told(remote: Dockerd, tmp_path: Path) -> None:
    authority(tmp_path)
    foreign = refused(tmp_path / "a", tls(remote, tls_cert=tmp_path / "ca.pem", tls_key=tmp_path / "ca-key.pem"))
    assert remote.tls
    without = refused(tmp_path / "b", {"host": remote.tls.host, "tls_ca": str(remote.tls.ca)})
    for error in (foreign, without):
        assert "does not accept this client's certificate" in error.message
        assert "--tls-cert" in error.hint


def test_tls_that_is_missing_on_one_side_is_told(remote: Dockerd, tmp_path: Path) -> None:
    assert remote.tls
    assert "wants TLS" in refused(tmp_path / "a", {"host": remote.tls.host}).message
    with plain_server() as port:
        error = refused(tmp_path / "b", {**tls(remote), "host": f"tcp://127.0.0.1:{port}"})
    assert "does not speak TLS" in error.message


def test_tls_files_that_are_not_there_are_named(remote: Dockerd, tmp_path: Path) -> None:
    assert "nowhere.pem is missing" in refused(tmp_path, tls(remote, tls_ca=tmp_path / "nowhere.pem")).message


def test_no_socket_and_a_dead_engine_are_told_apart(tmp_path: Path) -> None:
    missing = refused(tmp_path / "a", {"host": f"unix://{tmp_path}/none.sock"})
    assert "there is no socket" in missing.message
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(dead))
    error = refused(tmp_path / "b", {"host": f"unix://{dead}"})
    assert "nothing listens" in error.message
    assert "systemctl" in error.hint


def test_a_socket_of_others_names_the_group_to_join() -> None:
    """Root may use every socket, so another user asks: with all loaded before, since ours are in folders of root's."""
    program = (
        "import asyncio, os, sys, docker, requests, urllib3, idna, encodings.idna\n"
        "from pathlib import Path; from mlserve.backends.docker.engine import open_engine\n"
        "import mlserve.backends.docker.unix_socket\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "async def ask():\n"
        "    engine = open_engine({'host': sys.argv[1]}, Path('/nonexistent'))\n"
        "    try: await engine.call(lambda client: client.ping())\n"
        "    except Exception as exc: print(type(exc).__name__, exc, exc.hint)\n"
        "    await engine.close()\n"
        "asyncio.run(ask())\n"
    )
    with tempfile.TemporaryDirectory(prefix="mlserve-socket-") as folder, socket.socket(socket.AF_UNIX) as server:
        owned = Path(folder) / "docker.sock"
        owned.parent.chmod(0o755)
        server.bind(str(owned))
        server.listen()
        owned.chmod(0o660)
        told = subprocess.run(
            [sys.executable, "-c", program, f"unix://{owned}"],
            capture_output=True, text=True, check=False, env={**os.environ, "DOCKER_CONFIG": "/nonexistent"},
        )  # fmt: skip
        group = grp.getgrgid(owned.stat().st_gid).gr_name
    assert "ResourceUnavailable" in told.stdout, told.stderr
    assert "may not use the socket" in told.stdout
    assert f"usermod -aG {group}" in told.stdout


def test_a_hung_engine_costs_its_time_and_no_other_moment(tmp_path: Path) -> None:
    hung = tmp_path / "hung.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(hung))
        server.listen()

        async def scenario() -> None:
            async with connected(tmp_path / "home", {"host": f"unix://{hung}"}) as opened:
                ticks = 0

                async def beat() -> None:
                    nonlocal ticks
                    while True:
                        await asyncio.sleep(0.01)
                        ticks += 1

                beating, begin = asyncio.create_task(beat()), time.monotonic()
                with pytest.raises(ResourceUnavailable, match="no answer"):
                    await version(opened)
                beating.cancel()
                took = time.monotonic() - begin
                assert took < 10
                assert ticks > took / 0.01 / 10, "the event loop was held up"

        asyncio.run(scenario())


def test_an_engine_that_is_too_old_is_told(tmp_path: Path) -> None:
    with plain_server(json.dumps({"ApiVersion": "1.30", "MinAPIVersion": "1.12"}).encode()) as port:
        error = refused(tmp_path, {"host": f"tcp://127.0.0.1:{port}"})
    assert "too old: it speaks API 1.30" in error.message


def test_an_engine_that_goes_away_is_told_and_taken_up_again(tmp_path: Path) -> None:
    async def scenario(dockerd: Dockerd) -> None:
        async with connected(tmp_path, {"host": dockerd.host}) as opened:
            assert await version(opened)

            async def listen() -> list[Any]:
                return [event async for event in opened.events()]

            listening = asyncio.create_task(listen())
            await asyncio.to_thread(dockerd.kill)
            await eventually(lambda: bool(opened.trouble))
            with pytest.raises(ResourceUnavailable):
                await version(opened)
            with pytest.raises(MlserveError):
                await listening
            await asyncio.to_thread(dockerd.start)
            await eventually(lambda: not opened.trouble)
            assert await version(opened)

    with engine() as dockerd:
        asyncio.run(scenario(dockerd))


def authority(folder: Path) -> Path:
    """Another authority's certificate, with its key beside it."""
    made = folder / "ca.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj",
         "/CN=other", "-keyout", str(folder / "ca-key.pem"), "-out", str(made)],
        check=True, capture_output=True,
    )  # fmt: skip
    return made
