"""Who may ask a container: brought with it, and brought anew while it runs."""

from __future__ import annotations

from pathlib import Path

import docker
from tests.contract.volumes_kit import body, client, ours, play, said, workload
from tests.docker_engine import Engine

from mlserve.backends.base import Instance, State
from mlserve.backends.docker.telling import Telling
from mlserve.backends.docker.volumes import Volumes
from mlserve.workload import ACCESS, TOLD

__all__ = ["client"]


def test_a_container_reads_what_it_is_told_and_nobody_else_in_it_does(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path
) -> None:
    file = tmp_path / "access.json"
    file.write_text("first")
    wish = workload(told={ACCESS: str(file)})
    look = f"cat {TOLD}/{ACCESS}; stat -c ' %a:%u' {TOLD}/{ACCESS}"

    async def scene(volumes: Volumes) -> None:
        brought = await volumes.bring(wish, "iris-1-aaaa")
        assert said(client, brought, look) == "first 400:65534\n"
        assert "Permission denied" in said(client, brought, look, user="1000:1000")
        file.write_text("second")
        assert said(client, await volumes.bring(wish, "iris-1-aaaa"), look) == "second 400:65534\n", "a later start"
        made = client.api.create_container_from_config(body(brought, ["sleep", "60"]))["Id"]
        client.api.start(made)
        telling = Telling(volumes._engine)
        one = Instance("iris-1-aaaa", "iris", 1, State.READY, container=made)
        gone = Instance("iris-1-bbbb", "iris", 1, State.READY, container="0" * 64)
        for text in ("third", "fourth"):
            await telling.tell([(one, {ACCESS: text}), (gone, {ACCESS: text})])
            _, shown = client.containers.get(made).exec_run(["sh", "-c", look])
            assert shown.decode() == f"{text} 400:65534\n", "while it runs"
        client.api.stop(made, timeout=0)
        await telling.tell([(one, {ACCESS: "fifth"})])
        assert said(client, brought, look) == "fifth 400:65534\n", "for when somebody starts it again"
        client.api.remove_container(made, force=True)
        await volumes.drop("iris-1-aaaa")
        assert ours(client) == []

    play(docker_engine, tmp_path, scene)
