"""Files of instances on a real engine: each kind of mount, what becomes of it, and secrets that nobody sees."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest
from tests.contract.containers import open_docker
from tests.contract.test_backends import ready, until
from tests.docker_engine import BASE, Engine

from mlserve.backends.base import State
from mlserve.backends.docker import engine as engines
from mlserve.backends.docker import labels, target
from mlserve.backends.docker.volumes import Brought, Volumes
from mlserve.errors import FetchFailed, InvalidInput
from mlserve.workload import Container, Mount, MountKind, Workload

HUB = "0123456789abcdef"


@pytest.fixture
def client(docker_engine: Engine) -> Iterator[docker.DockerClient]:
    """A client of the shared engine; what a test leaves in it that has our label is removed."""
    with closing(docker_engine.client()) as found:
        yield found
        for container in found.containers.list(all=True, filters={"label": labels.HUB}):
            container.remove(force=True, v=True)
        for volume in found.volumes.list(filters={"label": labels.HUB}):
            volume.remove()


def play(docker_engine: Engine, tmp_path: Path, scene: Callable[..., Awaitable[None]], hubs: int = 1) -> None:
    """Run a scene with the volumes of a hub, or of one hub that was started several times."""

    async def scenario() -> None:
        engine = engines.Engine(target.target(docker_engine.host), tmp_path / "engine")
        try:
            await scene(*(Volumes(engine, HUB) for _ in range(hubs)))
        finally:
            await engine.close()

    asyncio.run(scenario())


def workload(*mounts: Mount, **more: Any) -> Workload:
    return Workload("iris", 1, 1, image=BASE, mounts=mounts, **more)


def body(brought: Brought, command: Sequence[str], instance: str = "iris-1-aaaa", user: str = "65534:65534") -> Any:
    """A container as hardened as an instance's is."""
    return {
        "Image": BASE, "Entrypoint": list(command), "User": user,
        "Env": [f"{name}={value}" for name, value in brought.environment.items()],
        "Labels": labels.of_instance(HUB, "iris", 1, instance),
        "HostConfig": {
            "ReadonlyRootfs": True, "CapDrop": ["ALL"], "NetworkMode": "none", "Mounts": list(brought.mounts),
        },
    }  # fmt: skip


def said(client: docker.DockerClient, brought: Brought, script: str, **more: Any) -> str:
    """What a shell in an instance with these mounts prints."""
    made = client.api.create_container_from_config(body(brought, ["sh", "-c", script], **more))["Id"]
    client.api.start(made)
    client.api.wait(made)
    text = client.api.logs(made).decode()
    client.api.remove_container(made)
    return text


def ours(client: docker.DockerClient) -> list[str]:
    return sorted(volume.name for volume in client.volumes.list(filters={"label": f"{labels.HUB}={HUB}"}))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with files in folders, a script and a link."""
    folder = tmp_path / "model"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "weights.bin").write_bytes(os.urandom(3_000_000))
    (folder / "größe.txt").write_text("seven\n")
    (folder / "run.sh").write_text("echo ran\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link.txt").symlink_to("größe.txt")
    (folder / "loop").symlink_to(folder)
    return folder


def test_files_are_in_the_instance_which_cannot_change_them(
    docker_engine: Engine, client: docker.DockerClient, model: Path, tmp_path: Path
) -> None:
    async def scene(volumes: Volumes) -> None:
        brought = await volumes.bring(workload(Mount("/data/in", MountKind.FILES, str(model))), "iris-1-aaaa")
        script = (
            "cd /data/in && ls -R && cat link.txt && ./run.sh && wc -c deep/er/weights.bin; touch new; echo > run.sh"
        )
        text = said(client, brought, script)
        assert "größe.txt" in text
        assert "seven\nran\n3000000" in text
        assert text.count("Read-only file system") == 2
        assert not client.containers.list(all=True), "what was needed to bring them is gone"

    play(docker_engine, tmp_path, scene)


def test_instances_that_want_the_same_files_share_them_and_changed_ones_are_others(
    docker_engine: Engine, client: docker.DockerClient, model: Path, tmp_path: Path
) -> None:
    async def scene(volumes: Volumes) -> None:
        wish = workload(Mount("/in", MountKind.FILES, str(model)))
        first, second = await asyncio.gather(volumes.bring(wish, "iris-1-aaaa"), volumes.bring(wish, "iris-1-bbbb"))
        assert first == second
        assert len(ours(client)) == 1
        (model / "größe.txt").write_text("eight\n")
        third = await volumes.bring(wish, "iris-1-cccc")
        assert len(ours(client)) == 2
        assert said(client, first, "cat /in/link.txt") == "seven\n"
        assert said(client, third, "cat /in/link.txt") == "eight\n"

    play(docker_engine, tmp_path, scene)


def left_over(client: docker.DockerClient, mark: str, volume: str, source: str) -> None:
    """What a hub leaves that is killed at work: what it reached the volume through, and with that the volume."""
    told = {labels.HUB: HUB, "mlserve.volume": "shared", "mlserve.source": source}
    place = {"Type": "volume", "Source": volume, "Target": "/carried/data", "VolumeOptions": {"Labels": told}}
    marks = {labels.HUB: HUB, f"mlserve.{mark}": volume}
    client.api.create_container_from_config(
        {"Image": BASE, "Entrypoint": ["-"], "Labels": marks, "HostConfig": {"Mounts": [place]}}
    )


def test_a_fill_that_broke_off_is_done_again(
    docker_engine: Engine, client: docker.DockerClient, model: Path, tmp_path: Path
) -> None:
    wish = workload(Mount("/in", MountKind.FILES, str(model)))

    async def scene(volumes: Volumes, second: Volumes) -> None:
        brought = await volumes.bring(wish, "iris-1-aaaa")
        name = brought.mounts[0]["Source"]
        client.volumes.get(name).remove()
        left_over(client, "carrier", name, str(model))
        again = await volumes.bring(wish, "iris-1-bbbb")
        assert again == brought
        assert said(client, again, "cat /in/link.txt") == "seven\n"
        client.volumes.get(name).remove()
        left_over(client, "carrier", name, str(model))
        await second.sweep(None, ())
        assert ours(client) == [], "what only looks full is not left for the next"
        assert not client.containers.list(all=True)

    play(docker_engine, tmp_path, scene, hubs=2)


def test_a_look_that_broke_off_undoes_nothing_that_was_written(
    docker_engine: Engine, client: docker.DockerClient, model: Path, tmp_path: Path
) -> None:
    wish = workload(Mount("/out", MountKind.FILES, str(model), read_only=False, write_back="s3://b/out/"))

    async def scene(volumes: Volumes, second: Volumes) -> None:
        brought = await volumes.bring(wish, "iris-1-aaaa")
        said(client, brought, "echo eight > /out/größe.txt")
        left_over(client, "reader", brought.mounts[0]["Source"], str(model))
        again = await second.bring(wish, "iris-1-bbbb")
        assert said(client, again, "cat /out/größe.txt") == "eight\n"
        await second.sweep([wish], ())
        assert not client.containers.list(all=True)
        assert said(client, again, "cat /out/größe.txt") == "eight\n"

    play(docker_engine, tmp_path, scene, hubs=2)


def test_files_that_change_while_they_are_brought_leave_no_volume(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path
) -> None:
    source = tmp_path / "growing"
    source.mkdir()
    (source / "a.bin").write_bytes(b"x" * 5_000_000)
    (source / "b.txt").symlink_to("/proc/self/stat")  # of no size when looked at, and then there is more

    async def scene(volumes: Volumes) -> None:
        with pytest.raises(FetchFailed, match="changed while"):
            await volumes.bring(workload(Mount("/in", MountKind.FILES, str(source))), "iris-1-aaaa")
        assert ours(client) == []
        assert not client.containers.list(all=True)

    play(docker_engine, tmp_path, scene)


def test_scratch_survives_a_crash_of_the_program_and_not_its_instance(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path
) -> None:
    wish = workload(Mount("/scratch", MountKind.SCRATCH, read_only=False))

    async def scene(volumes: Volumes) -> None:
        first = await volumes.bring(wish, "iris-1-aaaa")
        assert said(client, first, "echo kept > /scratch/a; mkdir /scratch/b; id -u") == "65534\n"
        assert said(client, await volumes.bring(wish, "iris-1-aaaa"), "cat /scratch/a; ls /scratch") == "kept\na\nb\n"
        assert said(client, await volumes.bring(wish, "iris-1-bbbb"), "ls /scratch") == ""
        await volumes.drop("iris-1-aaaa")
        assert len(ours(client)) == 1
        assert said(client, await volumes.bring(wish, "iris-1-aaaa"), "ls /scratch") == ""
        own = replace(wish, user="1000:1000")
        assert (
            said(client, await volumes.bring(own, "iris-1-cccc"), "echo > /scratch/a; ls /scratch", user="1000")
            == "a\n"
        )

    play(docker_engine, tmp_path, scene)


def test_memory_has_its_size_and_may_be_shared_memory(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path
) -> None:
    memory = Mount("/dev/shm", MountKind.MEMORY, read_only=False, size_mb=16)
    script = "df -m /dev/shm | tail -1; echo a > /dev/shm/a && cat /dev/shm/a"

    async def scene(volumes: Volumes) -> None:
        alone = said(client, await volumes.bring(workload(memory), "iris-1-aaaa"), script)
        assert alone.startswith("tmpfs")
        assert alone.split()[1:2] == ["16"]
        assert alone.endswith("a\n")
        assert ours(client) == []
        several = workload(memory, containers=(Container(BASE),))
        shared = await volumes.bring(several, "iris-1-bbbb")
        assert said(client, shared, script).split()[1:2] == ["16"]
        keeping = client.api.create_container_from_config(body(shared, ["sleep", "60"]))["Id"]
        client.api.start(keeping)
        said(client, shared, "echo told > /dev/shm/b")
        assert said(client, shared, "cat /dev/shm/b") == "told\n", "containers of one instance share it"
        client.api.remove_container(keeping, force=True)
        await volumes.drop("iris-1-bbbb")
        assert ours(client) == []

    play(docker_engine, tmp_path, scene)


def test_files_come_out_of_an_image(docker_engine: Engine, client: docker.DockerClient, tmp_path: Path) -> None:
    async def scene(volumes: Volumes) -> None:
        brought = await volumes.bring(workload(Mount("/etc-of", MountKind.IMAGE, f"{BASE}!/etc/ssl")), "iris-1-aaaa")
        assert "openssl.cnf" in said(client, brought, "ls /etc-of; touch /etc-of/x")
        again = await volumes.bring(workload(Mount("/else", MountKind.IMAGE, f"{BASE}!/etc/ssl")), "iris-1-bbbb")
        assert again.mounts[0]["Source"] == brought.mounts[0]["Source"]
        with pytest.raises(InvalidInput, match="nothing at /no/such in the image"):
            await volumes.bring(workload(Mount("/x", MountKind.IMAGE, f"{BASE}!/no/such")), "iris-1-cccc")
        assert len(ours(client)) == 1
        assert not client.containers.list(all=True)

    play(docker_engine, tmp_path, scene)


def test_an_nfs_folder_is_a_volume_that_the_engine_mounts(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path
) -> None:
    """Whether it mounts is up to a server, and there is none in these tests: what the engine is told is looked at."""

    async def scene(volumes: Volumes) -> None:
        wish = workload(
            Mount("/a", MountKind.NFS, "nas.example:/exported", read_only=True),
            Mount("/b", MountKind.NFS, "[fd00::1]:/", read_only=False),
        )
        brought = await volumes.bring(wish, "iris-1-aaaa")
        first, second = (client.volumes.get(mount["Source"]).attrs for mount in brought.mounts)
        assert first["Options"] == {"type": "nfs", "o": "addr=nas.example,ro", "device": ":/exported"}
        assert second["Options"] == {"type": "nfs", "o": "addr=fd00::1,rw", "device": ":/"}
        assert [mount["ReadOnly"] for mount in brought.mounts] == [True, False]

    play(docker_engine, tmp_path, scene)


def test_secrets_are_for_the_program_alone_and_in_nothing_that_the_engine_shows(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path
) -> None:
    async def scene(volumes: Volumes) -> None:
        wish = workload(secrets={"environment.json": json.dumps({"KEY": "hush-hush"})})
        brought = await volumes.bring(wish, "iris-1-aaaa")
        script = "cat $MLSERVE_SECRETS/environment.json; stat -c %a:%u $MLSERVE_SECRETS $MLSERVE_SECRETS/*"
        assert said(client, brought, script) == '{"KEY": "hush-hush"}500:65534\n400:65534\n'
        assert "Permission denied" in said(client, brought, "cat $MLSERVE_SECRETS/environment.json", user="1000:1000")
        made = client.api.create_container_from_config(body(brought, ["sleep", "60"]))["Id"]
        client.api.start(made)
        assert "hush-hush" not in json.dumps(client.api.inspect_container(made))
        assert "hush-hush" not in str([volume.attrs for volume in client.volumes.list()])
        client.api.remove_container(made, force=True)
        as_root = await volumes.bring(replace(wish, user="0:0"), "iris-1-bbbb")
        assert "hush" in said(client, as_root, "cat $MLSERVE_SECRETS/environment.json", user="0:0"), "without rights"
        await volumes.drop("iris-1-aaaa")
        await volumes.drop("iris-1-bbbb")
        assert ours(client) == []

    play(docker_engine, tmp_path, scene)


def test_a_sweep_removes_what_nobody_needs_and_nothing_of_anybody_else(
    docker_engine: Engine, client: docker.DockerClient, model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a").write_text("a")
    foreign = client.volumes.create(f"somebodys-{uuid4().hex}")
    neighbour = client.volumes.create(
        f"neighbours-{uuid4().hex}",
        labels={labels.HUB: "another", "mlserve.volume": "shared", "mlserve.source": "/gone"},
    )

    async def scene(volumes: Volumes, second: Volumes, third: Volumes) -> None:
        kept = workload(
            Mount("/in", MountKind.FILES, str(model)), Mount("/out", MountKind.FILES, str(other), read_only=False)
        )
        gone = replace(
            kept, service="wine", mounts=(*kept.mounts[1:], Mount("/nas", MountKind.NFS, "nas:/a")),
        )  # fmt: skip
        shared, written = (mount["Source"] for mount in (await volumes.bring(kept, "iris-1-aaaa")).mounts)
        scratch = replace(kept, mounts=(Mount("/s", MountKind.SCRATCH, read_only=False),))
        running = await volumes.bring(scratch, "iris-1-bbbb")
        made = client.api.create_container_from_config(body(running, ["true"], "iris-1-bbbb"))["Id"]
        await volumes.bring(gone, "wine-1-aaaa")
        assert len(ours(client)) == 5
        await second.sweep(None, ())
        assert len(ours(client)) == 5
        await second.sweep([kept], ())
        assert ours(client) == sorted([shared, written, running.mounts[0]["Source"]])
        client.api.remove_container(made)
        await third.sweep([], ["iris-1-bbbb"])
        assert ours(client) == [running.mounts[0]["Source"]], "it is to start again"
        await third.sweep(None, ())
        assert ours(client) == []
        assert {volume.name for volume in client.volumes.list()} >= {foreign.name, neighbour.name}

    try:
        play(docker_engine, tmp_path, scene, hubs=3)
    finally:
        foreign.remove()
        neighbour.remove()


def test_what_is_brought_takes_no_longer_than_it_must(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path
) -> None:
    """Many small files are one stream, and a second instance finds them there."""
    source = tmp_path / "many"
    source.mkdir()
    for number in range(2000):
        (source / f"{number}.txt").write_text(str(number))

    async def scene(volumes: Volumes) -> None:
        wish = workload(Mount("/in", MountKind.FILES, str(source)))
        await volumes.bring(wish, "iris-1-aaaa")
        began = time.monotonic()
        brought = await volumes.bring(wish, "iris-1-bbbb")
        assert time.monotonic() - began < 2, "they are looked at, not brought again"
        assert said(client, brought, "ls /in | wc -l") == "2000\n"

    play(docker_engine, tmp_path, scene)


def test_what_instances_change_is_copied_out_once_and_whole(
    docker_engine: Engine, client: docker.DockerClient, model: Path, tmp_path: Path
) -> None:
    mount = Mount("/out", MountKind.FILES, str(model), read_only=False, write_back="s3://b/out/")
    wish = workload(mount)
    old = "touch -d @1700000000"

    async def scene(volumes: Volumes) -> None:
        brought = await volumes.bring(wish, "iris-1-aaaa")
        assert said(client, brought, "cat /out/link.txt") == "seven\n"
        nothing = await volumes.changes(wish, mount, None, tmp_path / "0", final=True)
        assert nothing.changed == ()
        script = f"cd /out; mkdir new; echo a > new/a; {old} new/a; echo eight > größe.txt; {old} größe.txt; rm run.sh"
        assert said(client, brought, script) == ""
        said(client, brought, "echo half > /out/b")
        first = await volumes.changes(wish, mount, nothing.files, tmp_path / "1", final=False)
        assert first.changed == ("größe.txt", "new/a"), "b may not be whole yet"
        assert (tmp_path / "1" / "größe.txt").read_text() == "eight\n"
        last = await volumes.changes(wish, mount, first.files, tmp_path / "2", final=True)
        assert last.changed == ("b",)
        said(client, brought, "echo hälf > /out/b")  # perhaps in the same second, and not longer
        again = await volumes.changes(wish, mount, last.files, tmp_path / "3", final=True)
        assert again.changed == ("b",)
        assert (await volumes.changes(wish, mount, again.files, tmp_path / "4", final=True)).changed == ()
        assert not list((tmp_path / "4").rglob("*")), "what is the same stays where it is"
        assert "iris-1-bbbb" not in str(ours(client))
        other = await volumes.bring(wish, "iris-1-bbbb")
        assert said(client, other, "cat /out/new/a") == "a\n", "instances of a version share the files"
        never = replace(wish, version=7)
        assert (await volumes.changes(never, mount, None, tmp_path / "5", final=True)).changed == ()
        assert len(ours(client)) == 1
        assert not client.containers.list(all=True)

    play(docker_engine, tmp_path, scene)


def test_what_is_an_instances_own_outlives_its_crashes_and_goes_with_it(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path
) -> None:
    script = (
        "cat $MLSERVE_SECRETS/key; echo >> /scratch/starts; wc -l < /scratch/starts; exec python -m http.server $PORT"
    )
    wish = workload(
        Mount("/scratch", MountKind.SCRATCH, read_only=False), secrets={"key": "hush\n"},
        command=("sh", "-c", script), drain_seconds=1.0, startup_seconds=30.0, has_served=True,
    )  # fmt: skip

    async def scenario() -> None:
        backend = open_docker(tmp_path / "home", docker_engine)
        try:
            await backend.apply(wish)
            (one,) = await until(backend, ready(1))
            client.containers.get(one.container or "").kill()
            (again,) = await until(backend, lambda found: ready(1)(found) and found[0].restarts == 1)
            assert again.id == one.id
            said = [line.text async for line in backend.logs("iris")]
            assert said[:2] == ["hush", "2"]
            await backend.apply(replace(wish, count=0))
            await until(backend, lambda found: not found)
            deadline = time.monotonic() + 20
            while client.volumes.list(filters={"label": labels.HUB}):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
        finally:
            await backend.remove("iris")
            await until(backend, lambda found: not found)
            await backend.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("mount", "code", "said", "final"),
    [
        (
            Mount("/in", MountKind.IMAGE, f"{BASE}!/no/such"),
            "nothing-to-mount",
            "nothing at /no/such in the image",
            True,
        ),
        (Mount("/in", MountKind.NFS, "127.0.0.1:/nowhere"), "mount-failed", "mount", False),
    ],
)
def test_a_mount_that_cannot_be_is_the_reason_of_the_start_that_failed(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, mount: Mount, code: str, said: str, final: bool
) -> None:
    async def scenario() -> None:
        backend = open_docker(tmp_path / "home", docker_engine)
        try:
            await backend.apply(workload(mount, command=("sleep", "60"), startup_seconds=30.0))
            (one,) = await until(backend, lambda found: [one.state for one in found] == [State.FAILED])
            problem = one.evidence["not_started"]
            assert (problem["code"], problem["lasting"]) == (code, final)
            assert said in one.reason
            assert problem["hint"]
        finally:
            await backend.remove("iris")
            await until(backend, lambda found: not found)
            await backend.sweep([])
            await backend.close()

    asyncio.run(scenario())
