"""What a service took of the disk comes back when it is deleted, and nothing that another one needs goes with it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from mlserve.client import Client
from tests.waiting import until


def test_a_delete_frees_what_nobody_else_needs(client: Client, home: Path, iris: Path, tmp_path: Path) -> None:
    for name in ("kept", "gone"):
        code = tmp_path / name
        code.mkdir()
        (code / "app.py").write_text(
            f"from mlserve.runtime import Processor\nclass {name.title()}(Processor):\n    pass\n"
        )
    services = {
        name: client.services.create(
            {
                "name": name,
                "processor_type": "python",
                "processor_path": str(tmp_path / name),
                "processor_entry": "app.py",
                "metadata": {"instance": 1, "memory": 256},
            }
        )
        for name in ("kept", "gone")
    }
    trees = home / "content" / "trees"
    assert len(list(trees.glob("*.json"))) == 2
    long_ago = time.time() - 7200
    for item in trees.iterdir():
        os.utime(item, (long_ago, long_ago))
    forgotten = home / "environments" / "0123456789abcdef"
    forgotten.mkdir(parents=True)
    note = forgotten / "mlserve-environment.json"
    note.write_text("{}")
    os.utime(note, (long_ago, time.time() - 40 * 24 * 3600))
    services["gone"].delete()
    until(lambda: len(list(trees.glob("*.json"))) == 1, "the end of a deleted service's content")
    until(lambda: not forgotten.exists(), "the end of an environment that nobody has used for 40 days")
    services["kept"].restart()
    assert client.services.get("kept").version == 1
