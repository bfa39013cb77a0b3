"""Files of instances on a real engine: each kind of mount, and secrets that nobody sees."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import docker
import pytest
from tests.contract.volumes_kit import HUB, body, client, model, ours, play, said, workload
from tests.docker_engine import BASE, Engine

from mlserve.backends.docker import labels
from mlserve.backends.docker.volumes import Volumes
from mlserve.errors import FetchFailed, InvalidInput
from mlserve.workload import Container, Mount, MountKind

__all__ = ["client", "model"]


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
        assert not client.containers.list(all=True, ignore_removed=True), "what was needed to bring them is gone"

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
        assert not client.containers.list(all=True, ignore_removed=True)

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
        assert not client.containers.list(all=True, ignore_removed=True)
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
        assert not client.containers.list(all=True, ignore_removed=True)

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
        assert not client.containers.list(all=True, ignore_removed=True)

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
