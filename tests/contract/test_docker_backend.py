"""What only containers have: hardening, labels, neighbours that share an address, reports and logs of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import docker
from tests.contract.containers import program_image
from tests.contract.docker_kit import Wish, answer, ask, client, first, scenario, wish
from tests.contract.test_backends import ready, texts, until
from tests.docker_engine import Engine

from mlserve.backends.base import Resources, State
from mlserve.backends.docker import labels
from mlserve.backends.docker.backend import DockerBackend
from mlserve.workload import Container

__all__ = ["client", "program_image", "wish"]


def test_a_container_has_no_rights_it_does_not_need(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    look = (
        "import json,os\n"
        "status=dict(l.split(':',1) for l in open('/proc/self/status'))\n"
        "def may(path):\n"
        " try: open(path,'w').close(); return True\n"
        " except OSError: return False\n"
        "cg=lambda *names: next((open(n).read().strip() for n in names if os.path.exists(n)), '')\n"
        "print(json.dumps({'caps': status['CapEff'].strip(), 'new': status['NoNewPrivs'].strip(), 'uid': os.getuid(),"
        " 'gid': os.getgid(), 'root': may('/x'), 'tmp': may('/tmp/x'), 'home': os.environ['HOME'],"
        " 'init': open('/proc/1/comm').read().strip(),"
        " 'pids': cg('/sys/fs/cgroup/pids/pids.max','/sys/fs/cgroup/pids.max'),"
        " 'memory': cg('/sys/fs/cgroup/memory/memory.limit_in_bytes','/sys/fs/cgroup/memory.max'),"
        " 'swap': cg('/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes')}), flush=True)\n"
        "import time; time.sleep(600)\n"
    )

    async def play(backend: DockerBackend) -> None:
        resources = Resources(cpu=0.5, memory_mb=64)
        await backend.apply(replace(wish(resources=resources), command=("python", "-c", look)))
        found = await first(backend, lambda one: one.container is not None)
        seen = json.loads((await anext(backend.logs("iris", follow=True))).text)
        assert int(seen["caps"], 16) == 0
        assert (seen["new"], seen["uid"], seen["gid"]) == ("1", 65534, 65534)
        assert (seen["root"], seen["tmp"], seen["home"]) == (False, True, "/tmp")
        assert seen["init"] in ("docker-init", "tini")
        assert int(seen["pids"]) == 4096
        assert int(seen["memory"]) == 64 << 20
        assert seen["swap"] in ("", str(64 << 20))
        told = client.api.inspect_container(found.container)["HostConfig"]
        assert told["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
        assert (told["NanoCpus"], told["RestartPolicy"]["Name"]) == (500_000_000, "no")
        assert {bound["HostIp"] for ports in told["PortBindings"].values() for bound in ports} == {"127.0.0.1"}

    scenario(tmp_path, docker_engine, play)


def test_labels_say_what_a_container_is_and_carry_no_secret(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        environment = {"PASSWORD": "for the program alone"}
        told_apart = {"secrets": {"key": "very secret"}, "environment": environment}
        await backend.apply(wish(count=2, revision="7", record='{"a": 1}', **told_apart))
        found = await until(backend, ready(2))
        told = client.api.inspect_container(found[0].container)
        marks = told["Config"]["Labels"]
        assert marks[labels.HUB] == backend.hub
        assert (marks[labels.SERVICE], marks[labels.VERSION], marks[labels.REVISION]) == ("iris", "1", "7")
        assert marks[labels.INSTANCE] == found[0].id
        assert "very secret" not in json.dumps(told)
        assert "for the program alone" not in json.dumps(marks)
        (remembered,) = await backend.remembered()
        assert (remembered.service, remembered.count, remembered.record) == ("iris", 2, '{"a": 1}')
        assert remembered.secrets == {}

    scenario(tmp_path, docker_engine, play)


def test_containers_of_others_are_not_touched(
    docker_engine: Engine,
    client: docker.DockerClient,
    tmp_path: Path,
    wish: Wish,
    program_image: str,
) -> None:
    strangers = [
        client.containers.create(program_image, ["sleep", "600"], name="stranger"),
        client.containers.create(program_image, ["sleep", "600"], labels={labels.HUB: "another", labels.INSTANCE: "x"}),
    ]
    try:
        for stranger in strangers:
            stranger.start()

        async def play(backend: DockerBackend) -> None:
            await backend.apply(wish())
            await until(backend, ready(1))
            await backend.remove("iris")
            await until(backend, lambda found: not found)
            for stranger in strangers:
                stranger.reload()
                assert stranger.status == "running"

        scenario(tmp_path, docker_engine, play)
    finally:
        for stranger in strangers:
            stranger.remove(force=True)


def test_containers_of_an_instance_share_address_and_life(
    docker_engine: Engine,
    client: docker.DockerClient,
    tmp_path: Path,
    wish: Wish,
    program_image: str,
) -> None:
    beside = Container(program_image, ("python", "/program.py"), {"BEHAVIOUR": "serve", "ADDRESS": "127.0.0.1"}, 9000)
    reach = "import urllib.request as u; u.urlopen('http://127.0.0.1:9000', timeout=20); import runpy; "
    main = ("python", "-c", reach + "runpy.run_path('/program.py', run_name='__main__')")
    waiting = ("sh", "-c", 'until wget -q -O- http://127.0.0.1:9000; do sleep 0.1; done; exec "$@"', "sh", *main)

    async def play(backend: DockerBackend) -> None:
        await backend.apply(replace(wish(), containers=(beside,), command=waiting))
        (before,) = await until(backend, ready(1))
        found = client.containers.list(ignore_removed=True, filters={"label": f"{labels.INSTANCE}={before.id}"})
        assert len(found) == 2
        next(one for one in found if one.labels[labels.PART] == "1").kill()
        after = await first(backend, lambda one: one.restarts == 1 and one.state is State.READY)
        assert after.evidence["exit"] == {"signal": 9}
        assert after.evidence["container"] == f"container 2 ({program_image})"
        assert after.reason == ""
        assert (
            len(client.containers.list(ignore_removed=True, filters={"label": f"{labels.INSTANCE}={before.id}"})) == 2
        )

    scenario(tmp_path, docker_engine, play)


def test_further_ports_are_told_by_name_and_health_may_have_its_own(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    both = "python /program.py & PORT=$0 exec python /program.py"

    async def play(backend: DockerBackend) -> None:
        shell = replace(wish(), command=("sh", "-c", both, "{grpc_port}"), ports=("grpc",))
        await backend.apply(shell)
        (found,) = await until(backend, ready(1))
        assert set(found.ports) == {"grpc"}
        assert found.ports["grpc"] != found.address
        assert await answer(found.ports["grpc"]) == found.id.encode()
        await backend.remove("iris")
        await until(backend, lambda found: not found)
        shell = replace(wish(), command=("sh", "-c", both, "9100"), health_port=9100)
        await backend.apply(shell)
        await until(backend, ready(1))

    scenario(tmp_path, docker_engine, play)


def test_what_it_reports_is_told_as_phases_and_is_not_in_its_log(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish("refuse"))
        failed = await first(backend, lambda one: one.final)
        assert failed.evidence["phase"] == "load"
        assert failed.phases[0]["phase"] == "load"
        assert await texts(backend.logs("iris")) == []

    scenario(tmp_path, docker_engine, play)


def test_long_lines_are_whole_and_the_last_ones_are_kept_when_it_is_gone(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish("chatter", environment={"LINES": "100"}))
        await until(backend, ready(1))
        living = await texts(backend.logs("iris"))
        assert [len(line) for line in living if line.startswith("y")] == [40000]
        assert await texts(backend.logs("iris", tail=2)) == living[-2:]
        await backend.remove("iris", 1)
        await until(backend, lambda found: not found)
        assert await texts(backend.logs("iris")) == living
        await backend.remove("iris")

    scenario(tmp_path, docker_engine, play)


def test_an_open_port_counts_as_ready_only_once_somebody_listens_behind_it(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    late = "import os,time; time.sleep(2); os.execvp('python', ['python', '/program.py'])"

    async def play(backend: DockerBackend) -> None:
        await backend.apply(replace(wish(health_path=None), command=("python", "-c", late)))
        (found,) = await until(backend, ready(1))
        assert (found.ready_at or 0) - found.started_at >= 2
        assert await ask(found.address) == found.id.encode()

    scenario(tmp_path, docker_engine, play)
