"""What becomes of the volumes of a real engine: swept, copied out of, gone with their instance."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import docker
import pytest
from tests.contract.containers import open_docker
from tests.contract.test_backends import ready, until
from tests.contract.volumes_kit import body, client, model, ours, play, said, workload
from tests.docker_engine import BASE, Engine
from tests.waiting import eventually

from mlserve.backends.base import State
from mlserve.backends.docker import labels
from mlserve.backends.docker.volumes import Volumes
from mlserve.workload import Mount, MountKind

__all__ = ["client", "model"]


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
        began = time.monotonic()
        await volumes.bring(wish, "iris-1-aaaa")
        first = time.monotonic() - began
        began = time.monotonic()
        brought = await volumes.bring(wish, "iris-1-bbbb")
        assert time.monotonic() - began < max(2, first), "they are looked at, not brought again"
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
        assert not client.containers.list(all=True, ignore_removed=True)

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
            await eventually(lambda: not client.volumes.list(filters={"label": labels.HUB}), "the volumes' end")
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
