"""Which hub is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlserve.context import find, is_elsewhere, named
from mlserve.errors import HubUnreachable, InvalidInput, NotFound


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"MLSERVE_HOME": str(tmp_path / "home")}


def home(environment: dict[str, str]) -> Path:
    return Path(environment["MLSERVE_HOME"])


def test_an_argument_wins_over_the_environment_and_that_over_a_context(environment: dict[str, str]) -> None:
    named.add(home(environment), "box", named.context("box:1", "c"), use=True)
    assert find(environment=environment).url == "http://box:1"
    environment |= {"MLSERVE_HUB": "https://env:2/", "MLSERVE_TOKEN": "e"}
    assert find(environment=environment).url == "https://env:2"
    assert find(environment=environment).token == "e"
    assert find("arg:3", "a", environment=environment).url == "http://arg:3"
    assert find("arg:3", "a", environment=environment).token == "a"


def test_a_context_keeps_its_token_private(environment: dict[str, str]) -> None:
    named.add(home(environment), "box", named.context("box:1", "secret"))
    assert (home(environment) / "contexts.json").stat().st_mode & 0o777 == 0o600
    assert home(environment).stat().st_mode & 0o777 == 0o700
    assert find(context="box", environment=environment).token == "secret"


def test_the_token_of_a_known_address_is_used_with_it(environment: dict[str, str]) -> None:
    named.add(home(environment), "box", named.context("box:1", "secret"))
    assert find("http://box:1", environment=environment).token == "secret"


def test_local_goes_back_to_this_machine(environment: dict[str, str]) -> None:
    named.add(home(environment), "box", named.context("box:1"), use=True)
    assert is_elsewhere(environment)
    named.use(home(environment), "local")
    assert not is_elsewhere(environment)


def test_removing_the_current_context_goes_back_to_this_machine(environment: dict[str, str]) -> None:
    named.add(home(environment), "box", named.context("box:1"), use=True)
    named.remove(home(environment), "box")
    assert named.current(home(environment)) is None


def test_an_unknown_context_is_not_found_and_names_those_that_exist(environment: dict[str, str]) -> None:
    named.add(home(environment), "box", named.context("box:1"))
    for action in (named.use, named.remove):
        with pytest.raises(NotFound, match="box"):
            action(home(environment), "nope")
    with pytest.raises(NotFound, match="box"):
        find(context="nope", environment=environment)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput):
        named.context("ftp://box")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": "http://127.0.0.1:9"}'])
def test_a_broken_hub_json_is_no_hub(environment: dict[str, str], text: str) -> None:
    home(environment).mkdir()
    (home(environment) / "hub.json").write_text(text)
    with pytest.raises(HubUnreachable):
        find(environment=environment, start=False)


def test_a_hub_json_whose_process_is_gone_is_no_hub(environment: dict[str, str]) -> None:
    home(environment).mkdir()
    record = {"url": "http://127.0.0.1:9", "token": "t", "pid": 2**22 + 1, "gateway": ""}
    (home(environment) / "hub.json").write_text(json.dumps(record))
    with pytest.raises(HubUnreachable):
        find(environment=environment, start=False)
