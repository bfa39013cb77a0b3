"""What instances write comes to a real bucket, also when the bucket or the hub was away for a while."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.s3_server import s3_client
from tests.waiting import eventually

from mlserve.backends.base import Changes, FileState, Instance, State
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.places import Place, Places
from mlserve.hub.records import Prepared, Service, Version
from mlserve.hub.wishes import Wishes
from mlserve.hub.writing_back import Pace, WriteBack
from mlserve.workload import Mount, MountKind, Workload

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
QUICK = Pace(between=0, retry=0.05, share=0, patience=0.3)


class Folder:
    """A place whose instances write into a folder of this machine."""

    trouble = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[str] = []
        self.looks: list[bool] = []

    async def instances(self, service: str | None = None) -> Sequence[Instance]:
        return [Instance(name, "iris", 1, State.READY) for name in self.running]

    async def changes(
        self, workload: Workload, mount: Mount, known: Mapping[str, FileState] | None, into: Path, *, final: bool
    ) -> Changes:
        self.looks.append(final)
        seen = {str(file.relative_to(self.folder)): file for file in self.folder.rglob("*") if file.is_file()}
        states = {name: FileState(file.stat().st_size, file.stat().st_mtime_ns) for name, file in seen.items()}
        changed = tuple(name for name, state in sorted(states.items()) if (known or {}).get(name) != state)
        for name in changed:
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(seen[name], into / name)
        return Changes(states, changed)

    def __getattr__(self, name: str) -> Any:
        """The rest of a backend, which nobody asks for here."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self.instances


class Hub:
    """As much of a hub as writing back sees: one service with one version at one place."""

    def __init__(self, backend: Folder, to: str, endpoint: str) -> None:
        self.place = Place("box", "docker", cast(Any, backend), credentials=CREDENTIALS)
        mount = Mount("/out", MountKind.FILES, "/kept", read_only=False, write_back=to, endpoint=endpoint)
        self.workload_ = Workload("iris", 1, 1, mounts=(mount, Mount("/in", MountKind.FILES, "/kept")))
        self.service = Service("iris", "", False, "box", 0, 0)
        self.version = Version("iris", 1, 0, {}, prepared=Prepared(""))

    def services(self) -> list[Service]:
        return [self.service]

    def versions(self, _: str) -> list[Version]:
        return [self.version]

    def find(self, name: str) -> Place | None:
        return self.place if name == "box" else None

    def workload(self, _: Version) -> Workload:
        return self.workload_

    def opened(self, home: Path, pace: Pace = QUICK) -> WriteBack:
        return WriteBack(home, cast(Wishes, self), cast(Places, self), cast(Blueprints, self), pace=pace)


async def until(made: WriteBack, wanted: Callable[[], Any]) -> None:
    async def looked() -> bool:
        return bool(wanted()) or bool(await made.look())

    await eventually(looked)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def below(endpoint: str, prefix: str) -> dict[str, str]:
    client = s3_client(endpoint)
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="models", Prefix=prefix).get("Contents", ())]
    return {
        key.removeprefix(prefix): client.get_object(Bucket="models", Key=key)["Body"].read().decode() for key in keys
    }


def test_changed_files_come_to_the_bucket_while_it_runs_and_when_it_ends(
    s3_endpoint: str, out: Path, tmp_path: Path
) -> None:
    backend = Folder(out)
    hub = Hub(backend, "s3://models/written/", s3_endpoint)
    s3_client(s3_endpoint).put_object(Bucket="models", Key="written/theirs", Body=b"stays")

    async def scenario() -> None:
        made = hub.opened(tmp_path / "home", Pace(between=0, share=0))
        backend.running = ["iris-1-aaaa"]
        (out / "deep").mkdir()
        (out / "deep" / "a").write_text("one")
        (out / "__pycache__").mkdir()
        (out / "__pycache__" / "a.pyc").write_text("no")
        await until(made, lambda: "deep/a" in below(s3_endpoint, "written/"))
        (out / "deep" / "a").write_text("two")
        (out / "b").write_text("b")
        await until(made, lambda: below(s3_endpoint, "written/").get("deep/a") == "two")
        # Another hub, which looks once, and then for an hour no more.
        made = hub.opened(tmp_path / "home", Pace(between=3600, share=0))
        backend.looks.clear()
        await until(made, lambda: backend.looks == [False])
        (out / "last").write_text("words")
        (out / "b").unlink()
        backend.running = []
        assert not made.done("iris"), "what it wrote last is still to come"
        await until(made, lambda: made.done("iris"))
        assert below(s3_endpoint, "written/") == {"deep/a": "two", "b": "b", "last": "words", "theirs": "stays"}
        assert backend.looks[-1] is True
        assert made.warnings("iris") == []
        count = len(backend.looks)
        await made.look()
        assert len(backend.looks) == count, "once it ended, nothing is looked at any more"
        made.forget("iris")
        assert not list((tmp_path / "home" / "written").iterdir())

    asyncio.run(scenario())


def test_a_bucket_that_takes_nothing_is_told_and_tried_again_and_holds_no_deletion_up_for_ever(
    s3_endpoint: str, out: Path, tmp_path: Path
) -> None:
    backend = Folder(out)
    hub = Hub(backend, "s3://models/denied/", s3_endpoint)
    backend.running = ["iris-1-aaaa"]
    (out / "a").write_text("one")
    allowed, denied = hub.place, replace(hub.place, credentials={**CREDENTIALS, "AWS_ACCESS_KEY_ID": "poor"})

    async def scenario() -> None:
        hub.place = denied
        made = hub.opened(tmp_path / "home")
        await until(made, lambda: made.warnings("iris"))
        (warning,) = made.warnings("iris")
        assert (warning["pointer"], warning["code"]) == ("/storage", "not-written-back")
        assert "s3://models/denied/" in warning["message"]
        assert "secret" not in warning["message"]
        hub.place = allowed
        await until(made, lambda: not made.warnings("iris"))
        assert below(s3_endpoint, "denied/") == {"a": "one"}
        hub.place = denied
        looks = len(backend.looks)
        await until(made, lambda: len(backend.looks) > looks + 1)  # what was begun with the right keys is over
        (out / "a").write_text("two, and nobody takes it")
        backend.running = []
        await until(made, lambda: made.done("iris"))
        assert made.warnings("iris"), "it gave up"
        assert below(s3_endpoint, "denied/") == {"a": "one"}

    asyncio.run(scenario())


def test_when_the_hub_ends_with_everything_what_was_written_last_is_saved(
    s3_endpoint: str, out: Path, tmp_path: Path
) -> None:
    backend = Folder(out)
    hub = Hub(backend, "s3://models/flushed/", s3_endpoint)
    (out / "a").write_text("one")

    async def scenario() -> None:
        await hub.opened(tmp_path / "home").flush(10)
        assert below(s3_endpoint, "flushed/") == {"a": "one"}

    asyncio.run(scenario())
