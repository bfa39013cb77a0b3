"""The engines that tests use are real, apart from one another, and gone when their block ends."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
from docker.errors import APIError
from docker.models.containers import Container
from docker.tls import TLSConfig
from tests.docker_engine import BASE, Engine, base_image, engine, registry, sshd
from tests.docker_engine.base_image import TAGS
from tests.docker_engine.parts import free_port, program
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
SERVE = ["python3", "-m", "http.server", "8000"]
FETCHES = "import urllib.request as u; print(u.urlopen('https://pypi.org/simple/six/', timeout=30).status)"


@contextmanager
def running(engine: Engine, command: list[str], **options: Any) -> Iterator[Container]:
    """A container of the base image, gone after the block."""
    with closing(engine.client()) as client:
        container = client.containers.create(base_image(engine), command, init=True, **options)
        try:
            container.start()
            yield container
        finally:
            container.remove(force=True)


def test_a_container_answers_on_the_port_it_publishes(docker_engine: Engine) -> None:
    port = free_port()
    with running(docker_engine, SERVE, ports={"8000/tcp": ("127.0.0.1", port)}):
        until(lambda: answers(port), "an answer of the container")


def test_the_base_image_has_what_programs_expect_of_a_system(docker_engine: Engine) -> None:
    words = 'bash -c \'python -c "import ssl, sqlite3, ctypes, lzma; ctypes.CDLL(\\"libgomp.so.1\\"); '
    words += 'ctypes.CDLL(\\"libstdc++.so.6\\")"\' && pip --version && test -s /etc/ssl/certs/ca-certificates.crt'
    assert output(docker_engine, f"{words} && ls /usr/lib/*/ossl-modules/legacy.so").startswith("pip ")
    with closing(docker_engine.client()) as client:
        assert set(TAGS) <= set(client.images.get(BASE).tags)


@pytest.mark.network
def test_a_build_installs_from_the_package_index(docker_engine: Engine) -> None:
    text = f"FROM {BASE}\nRUN pip install six\nRUN python -c 'import six'\nCMD python -c \"{FETCHES}\"\n"
    with closing(docker_engine.client()) as client:
        image, _ = client.images.build(fileobj=io.BytesIO(text.encode()), tag="kit-index", rm=True)
        try:
            assert client.containers.run(image, remove=True).strip() == b"200"
        finally:
            client.images.remove("kit-index")


def test_containers_of_a_network_of_their_own_know_each_other_by_name(docker_engine: Engine) -> None:
    with closing(docker_engine.client()) as client:
        network = client.networks.create("kit-network")
        try:
            with running(docker_engine, SERVE, name="kit-server", network=network.name):
                command = "until wget -q -O- http://kit-server:8000/ >/dev/null; do sleep 0.1; done; echo found"
                assert output(docker_engine, command, network=network.name) == "found"
        finally:
            network.remove()


def test_two_engines_know_nothing_of_each_other(docker_engine: Engine) -> None:
    with engine() as other, running(docker_engine, ["sleep", "60"]), closing(other.client()) as client:
        assert client.containers.list(all=True, ignore_removed=True) == []
        assert client.info()["ID"] != docker_engine_id(docker_engine)
        base_image(other)
        port = free_port()
        with running(other, SERVE, ports={"8000/tcp": ("127.0.0.1", port)}):
            until(lambda: answers(port), "an answer of the other engine's container")
    with running(docker_engine, ["sleep", "60"]):
        assert output(docker_engine, "echo still here") == "still here"


def test_a_killed_engine_keeps_its_containers(fresh_engine: Engine) -> None:
    with running(fresh_engine, ["sleep", "60"], name="kept") as container:
        fresh_engine.kill()
        assert not fresh_engine.answers()
        fresh_engine.start()
        container.reload()
        assert (container.name, container.status) == ("kept", "exited")
        container.start()


def test_with_live_restore_containers_run_on_without_their_engine() -> None:
    with engine("--live-restore") as live, running(live, ["sleep", "60"]) as container:
        before = container_pid(container)
        live.kill()
        assert runs(before)
        live.start()
        assert container_pid(container) == before


def test_nothing_is_left_of_a_closed_engine() -> None:
    with engine() as ending:
        base_image(ending)
        with closing(ending.client()) as client:
            client.networks.create("left")
            client.volumes.create("left")
            container = client.containers.run(BASE, ["sleep", "60"], detach=True)
            process = container_pid(container)
    assert not ending.folder.exists()
    assert str(ending.folder) not in Path("/proc/mounts").read_text()
    assert not runs(process)
    addresses = subprocess.run([program("ip"), "address"], capture_output=True, text=True, check=True).stdout
    assert ending.network.bridge not in addresses
    assert str(ending.network.addresses[1])[:-1] not in addresses


def test_the_engine_of_a_killed_run_is_cleared_by_the_next() -> None:
    script = "import os; from tests.docker_engine import engine; block = engine(); one = block.__enter__(); "
    script += "print(one.folder, one.process.pid, flush=True); os._exit(1)"
    killed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    folder, pid = killed.stdout.split()
    assert runs(int(pid)), killed.stderr
    with engine() as following:
        assert following.answers()
        assert not runs(int(pid))
        assert not Path(folder).exists()


def test_an_engine_by_tcp_wants_the_client_s_certificate() -> None:
    with engine(tls=True) as remote:
        assert remote.tls
        files = remote.tls
        known = TLSConfig(client_cert=(str(files.cert), str(files.key)), ca_cert=str(files.ca), verify=True)
        assert ping(files.host, known)
        with pytest.raises(OSError, match="certificate"):
            ping(files.host, TLSConfig(ca_cert=str(files.ca), verify=True))


def test_the_registry_refuses_a_wrong_password(docker_engine: Engine) -> None:
    with registry() as store, closing(docker_engine.client()) as client:
        name = f"{store.address}/team/base"
        image = client.images.get(base_image(docker_engine))
        image.tag(name, "1")
        assert "unauthorized" in push(client, name, {**store.auth, "password": "wrong"})
        assert push(client, name, store.auth) == ""
        assert store.repositories() == ["team/base"]
        client.images.remove(f"{name}:1")
        with pytest.raises(APIError, match=r"unauthorized|no basic auth"):
            client.images.pull(name, "1")
        assert client.images.pull(name, "1", auth_config=store.auth).id == image.id
        client.images.remove(f"{name}:1")


def test_ssh_forwards_the_socket_until_it_is_cut(docker_engine: Engine, tmp_path: Path) -> None:
    local = tmp_path / "docker.sock"
    with sshd() as server:
        command = ["ssh", "-N", "-L", f"{local}:{docker_engine.socket}", "gpu-box"]
        tunnel = subprocess.Popen(command, env=server.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            until(local.exists, "the tunnel")
            with closing(docker.DockerClient(base_url=f"unix://{local}")) as client:
                assert client.info()["ID"] == docker_engine_id(docker_engine)
            server.cut()
            assert tunnel.wait(20) == 255
        finally:
            tunnel.kill()
            tunnel.communicate()


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(15).startswith(b"HTTP/1.0 200")
    except OSError:
        return False


def output(engine: Engine, command: str, **options: Any) -> str:
    with closing(engine.client()) as client:
        printed = client.containers.run(base_image(engine), ["sh", "-c", command], remove=True, **options)
    return str(printed.decode()).strip()


def docker_engine_id(engine: Engine) -> str:
    with closing(engine.client()) as client:
        return str(client.info()["ID"])


def container_pid(container: Container) -> int:
    container.reload()
    return int(container.attrs["State"]["Pid"])


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def ping(host: str, tls: TLSConfig) -> bool:
    """As a client that listens to nobody's environment: a CA named there would take the place of ours."""
    with closing(docker.DockerClient(base_url=host, tls=tls, version="1.24")) as client:
        client.api.trust_env = False
        return bool(client.ping())


def push(client: docker.DockerClient, name: str, auth: dict[str, str]) -> str:
    lines = client.images.push(name, "1", auth_config=auth, stream=True, decode=True)
    return "".join(line["error"] for line in lines if "error" in line)
