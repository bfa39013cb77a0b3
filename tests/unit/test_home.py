"""The hub's home: who may use it, and what it says when it can't be used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlserve.errors import HubStartFailed
from mlserve.hub.home import FORMAT, Home


def test_a_fresh_home_is_private_and_has_a_format(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert json.loads((tmp_path / "home" / "home.json").read_text()) == {"format": FORMAT}
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
