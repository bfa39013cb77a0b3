"""An update changes what it says and nothing else."""

from __future__ import annotations

from pathlib import Path

from mlserve.client import Client


def test_an_update_keeps_the_number_of_instances_unless_it_changes_it(client: Client, iris: Path) -> None:
    service = client.services.create(iris, set=["metadata.memory=256", "metadata.instance=1"]).wait(timeout=60)
    service.scale(2).wait(timeout=60)
    service.update(set=["metadata.rpc.max_queue_size=65"]).wait(timeout=60)
    assert (service.version, len(service.instances())) == (2, 2)
    service.update(set=["metadata.rpc.max_queue_size=66", "metadata.instance=3"]).wait(timeout=60)
    assert (service.version, len(service.instances())) == (3, 3)
    service.update(set=["metadata.instance=1"]).wait(timeout=60)
    assert (service.version, len(service.instances())) == (3, 1)
