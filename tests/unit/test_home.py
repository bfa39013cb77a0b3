"""The hub's home: who may use it, and what it says when it can't be used."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlserve.context import HOME_FORMAT, local_hub
from mlserve.errors import HubStartFailed, MlserveError
from mlserve.hub.home import Home
from mlserve.hub.serve import serve
from mlserve.hub.settings import Settings


def test_a_fresh_home_is_private_and_has_a_format(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert json.loads((tmp_path / "home" / "home.json").read_text()) == {"format": HOME_FORMAT}
    home.close()


def test_hub_json_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.publish(url="http://127.0.0.1:1", token="t", gateway="http://127.0.0.1:2")
    assert (tmp_path / "hub.json").stat().st_mode & 0o777 == 0o600
    assert home.read("hub.json")["pid"] == os.getpid()
    home.close()


def test_two_hubs_never_share_a_home(tmp_path: Path) -> None:
    first = Home(tmp_path)
    with pytest.raises(HubStartFailed, match="another hub"):
        Home(tmp_path)
    first.close()
    Home(tmp_path).close()


def test_a_home_from_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "home.json").write_text('{"format": 99}')
    with pytest.raises(HubStartFailed, match="format 99") as caught:
        Home(tmp_path)
    assert "MLSERVE_HOME" in caught.value.hint
    assert json.loads((tmp_path / "home.json").read_text()) == {"format": 99}


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(HubStartFailed, match="can't write to its home"):
        Home(tmp_path / "home")


@pytest.mark.parametrize("what", ["no database", "a folder", "no JSON", "a record of another kind"])
def test_a_store_that_nobody_understands_is_named_and_left_as_it_is(tmp_path: Path, what: str) -> None:
    database = tmp_path / "hub.db"
    if what == "no database":
        database.write_bytes(b"surely no database" * 100)
    elif what == "a folder":
        database.mkdir()
    else:
        with sqlite3.connect(database) as connection:
            connection.execute("create table records (kind text, key text, revision int, data text)")
            data = "{broken" if what == "no JSON" else '{"surprise": 1}'
            connection.execute("insert into records values ('service', 'iris', 1, ?)", (data,))
        connection.close()
    before = None if what == "a folder" else database.read_bytes()
    with pytest.raises(MlserveError, match=f"{tmp_path}") as caught:
        asyncio.run(serve(Settings(tmp_path, gateway="127.0.0.1:0")))
    assert caught.value.hint
    assert before is None or database.read_bytes()[-100:] == before[-100:]
    assert not (tmp_path / "gateway" / "envoy.json").exists(), "nothing was started"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes that is full."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        with (place / "filler").open("wb", buffering=0) as file:
            while file.write(bytes(4096)) == 4096:
                pass
    except OSError:
        pass
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_named_before_a_hub_is_started(small_disk: Path) -> None:
    with pytest.raises(HubStartFailed, match="No space left"):
        local_hub.ensure(small_disk)
    with pytest.raises(HubStartFailed, match="No space left"):
        Home(small_disk)
    assert not list(small_disk.glob(".probe*"))
