"""Service groups as they are typed, through a whole hub."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import Request, urlopen

import httpx
import pytest

import mlserve
from tests.waiting import until
from tests.walk.release_kit import descriptor
from tests.walk.test_release_verbs import mlserve as typed
from tests.walk.test_release_verbs import shown


def answers(count: int, token: str, endpoint: str) -> set[str]:
    found = set()
    for _ in range(count):
        with urlopen(Request(endpoint, b"{}", {"Authorization": token}), timeout=10) as answer:
            found.add(answer.read().decode())
    return found


def test_two_services_share_an_address_and_blue_green_switches_it(home: Path, tmp_path: Path) -> None:
    blue = descriptor(tmp_path, "blue", name="blue", metadata={"group": "shop"})
    green = descriptor(tmp_path, "green", name="green", metadata={"group": "shop", "release": True})
    assert typed("create", blue)[0] == 0
    assert typed("create", green)[0] == 0
    group = shown("describe", "shop")
    assert [(one["service"], one["percent"], one["standalone"]) for one in group["members"]] == [
        ("blue", 100.0, False),
        ("green", 0.0, True),
    ]
    at = group["token"], group["endpoint"]
    assert answers(20, *at) == {"blue"}
    for words, code, told in (
        (["blue=90", "green=20"], 2, "add up to 110"),
        (["red=100"], 3, "no member"),
        (["blue=many"], 2, "no whole number"),
        (["--standalone", "blue"], 2, "no member of"),
    ):
        done = typed("traffic", "shop", *words)
        assert (done[0], told in done[2]) == (code, True), done
    assert typed("traffic", "stop", "--auto")[0] == 3
    assert answers(5, *at) == {"blue"}
    assert typed("traffic", "shop", "blue=0", "green=100")[0] == 0
    until(lambda: answers(3, *at) == {"green"})
    link = group.pop("link")
    assert {**shown("traffic", "shop"), "members": []} == {**group, "members": [], "mode": "set"}
    with httpx.Client(follow_redirects=True) as browser:
        assert browser.post(group["endpoint"]).status_code == 401
        assert browser.get(link).text == "green"
        assert browser.get(group["endpoint"]).text == "green", "it is let in from then on"
        assert browser.get(group["endpoint"].replace("shop", "green")).status_code == 401, "at this address alone"
    assert httpx.get(link).status_code == 401, "it opens once"
    assert [event["what"] for event in shown("events", "shop")][-1] == "link"
    assert "traffic" in {event["what"] for event in shown("events", "shop")}
    with mlserve.Predictor("shop") as predictor:
        assert predictor.request("POST", "/", b"{}").body == b"green"
    assert "green 100 %" in typed("list")[1]
    assert typed("traffic", "shop", "--auto")[0] == 0
    until(lambda: answers(30, *at) == {"blue", "green"})
    assert typed("create", descriptor(tmp_path, "third", name="shop"))[0] == 4
    with mlserve.connect() as hub:
        some = hub.tokens.create(["blue"], scopes=["manage"])["token"]
        with mlserve.connect(json.loads((home / "hub.json").read_text())["url"], some) as theirs:
            with pytest.raises(mlserve.Forbidden):
                theirs.groups.get("shop")
            with pytest.raises(mlserve.Forbidden):
                theirs.groups.traffic("shop", auto=True)
            assert list(theirs.groups.list()) == []
        assert {str(hub.find("shop").predict({})) for _ in range(30)} != set()
    assert typed("delete", "blue", "-y")[0] == 0
    until(lambda: answers(5, *at) == {"green"})
    assert json.loads(typed("describe", "shop", "-o", "json")[1])["members"][0]["percent"] == 100.0
