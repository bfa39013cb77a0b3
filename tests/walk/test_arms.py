"""A/B as it is typed: two services under one address, feedback, a hub that dies in the middle of it."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

import mlserve
from tests.waiting import until
from tests.walk.release_kit import descriptor
from tests.walk.test_release_verbs import mlserve as typed
from tests.walk.test_release_verbs import shown

USERS = 100
TRUE_SHARE = {"blue": 0.2, "green": 0.7}


def ask(group: Any, user: int, request_id: str = "") -> tuple[str, str]:
    """Who answered, and the request's id."""
    own = {"x-request-id": request_id} if request_id else {}
    headers = {"Authorization": group["token"], "x-user": f"user {user}", **own}
    with urlopen(Request(group["endpoint"], b"{}", headers), timeout=30) as answer:
        return answer.read().decode(), answer.headers["x-request-id"]


def tell(group: Any, said: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    """What the hub says to feedback."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    at = Request(f"{group['endpoint']}/feedback", body, {"Authorization": group["token"], **headers})
    try:
        with urlopen(at, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as exc:
        return exc.code, json.loads(exc.read())


def bought(who: str, before: int) -> bool:
    """Whether the next caller of an arm does: so that its share is the true one, whoever comes."""
    return int((before + 1) * TRUE_SHARE[who]) > int(before * TRUE_SHARE[who])


def kill_hub(home: Path) -> None:
    pid = json.loads((home / "hub.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")


def test_two_arms_with_a_known_effect_are_told_apart_though_the_hub_dies(home: Path, tmp_path: Path) -> None:
    for who in ("blue", "green"):
        assert typed("create", descriptor(tmp_path, who, name=who, metadata={"group": "shop"}))[0] == 0
    assert typed("traffic", "shop", "blue=50", "green=50", "--sticky", "header:x-user")[0] == 0
    group = shown("describe", "shop")
    first = shown("ab", "shop")
    assert first["effects"][0]["why"].startswith("not enough yet")
    until(lambda: len({ask(group, user)[0] for user in range(20)}) == 2)
    told, values = Counter[str](), {"blue": 0.0, "green": 0.0}

    def story(user: int) -> None:
        for again in range(2):
            who, identity = ask(group, user, f"mine {user}" if again and user % 2 else "")
        value = bought(who, told[who])
        assert tell(group, {"request_id": identity, "value": not value})[0] == 200
        assert tell(group, [{"request_id": identity, "value": value}])[0] == 200, "the later one counts"
        told[who] += 1
        values[who] += value

    for user in range(USERS // 2):
        story(user)
    early = ask(group, 1000)
    assert tell(group, {"request_id": "never seen", "value": 1})[1] == {"taken": 1, "waiting": ["never seen"]}
    kill_hub(home)
    unheard = [ask(group, user) for user in range(USERS // 2, USERS)]
    status, problem = tell(group, {"request_id": early[1], "value": 1})
    assert (status, problem["code"]) == (503, "no-hub")
    shown("list")  # the next hub
    until(lambda: tell(group, {"request_id": early[1], "value": True, "name": "late"})[0] == 200)
    for user, (who, identity) in zip(range(USERS // 2, USERS), unheard, strict=True):
        value = bought(who, told[who])
        assert tell(group, {"request_id": identity, "value": value})[0] == 200, user
        told[who] += 1
        values[who] += value
    until(lambda: sum(arm["feedback"] for arm in shown("ab", "shop")["arms"]) == USERS)
    found = shown("ab", "shop")
    for arm in found["arms"]:
        assert (arm["feedback"], arm["mean"]) == (told[arm["arm"]], values[arm["arm"]] / told[arm["arm"]])
        assert arm["errors"] == 0
        assert arm["p50_ms"] is not None
    effect = found["effects"][0]
    assert (effect["arm"], effect["control"], effect["method"]) == ("green", "blue", "newcombe")
    assert 0 < effect["low"] < TRUE_SHARE["green"] - TRUE_SHARE["blue"] < effect["high"]
    assert effect["p_value"] < 1e-4
    assert found["unmatched"] == 1
    assert any("are not known" in warning for warning in found["warnings"])
    assert found["metrics"] == ["late", "reward"]
    asked = sum(arm["requests"] for arm in found["arms"])
    assert asked >= USERS // 2 * 2 + USERS // 2 + 1
    assert USERS + 1 <= sum(arm["callers"] for arm in found["arms"]) <= USERS + 2
    words = typed("ab", "shop")
    assert "green beside blue: reward +" in words[1]
    assert "are not known" in words[2]
    assert shown("ab", "shop", "--control", "green")["effects"][0]["difference"] == -effect["difference"]
    assert sum(arm["requests"] for arm in shown("ab", "shop", "--since", "1ms")["arms"]) == 0
    for arguments, code, words_of_it in (
        (("blue",), 4, "compares no versions"),
        (("nobody",), 3, "no service"),
        (("shop", "--control", "red"), 2, "is no arm"),
        (("shop", "--since", "soon"), 2, "not a length of time"),
    ):
        done = typed("ab", *arguments)
        assert (done[0], words_of_it in done[2]) == (code, True), done
    check_refusals(home, group)


def test_callers_stay_with_a_version_of_a_canary_and_both_are_compared(home: Path, tmp_path: Path) -> None:
    release = {"steps": [{"weight": 30}, {"weight": 60}], "sticky": "header:x-user", "feedback": True}
    assert typed("create", descriptor(tmp_path, "old"))[0] == 0
    assert typed("ab", "shop")[0] == 4
    assert typed("update", "shop", descriptor(tmp_path, "new", release))[0] == 0  # it waits for promote
    service = shown("describe", "shop")
    until(lambda: len({ask(service, user)[0] for user in range(20)}) == 2)
    answers = {user: [ask(service, user) for _ in range(3)] for user in range(40)}
    first = {user: who for user, ((who, _), *_) in answers.items()}
    assert all({who for who, _ in three} == {first[user]} for user, three in answers.items())
    with mlserve.Predictor("shop") as predictor:
        for user, (_, (_, identity), _) in answers.items():
            # Told again it counts once; the gateway writes down who answered a moment after the answer.
            tell_again = partial(predictor.feedback, identity, user / 4)
            until(lambda tell_again=tell_again: tell_again() == {"taken": 1, "waiting": []})
    assert typed("release", "promote", "shop")[0] == 0
    until(lambda: shown("release", "status", "shop")["release"]["versions"][1]["weight"] == 60)
    until(lambda: sum(ask(service, user)[0] == "new" for user in range(40)) > sum(w == "new" for w in first.values()))
    second = {user: ask(service, user)[0] for user in range(40)}
    assert {second[user] for user, who in first.items() if who == "new"} == {"new"}, "nobody is sent back"
    assert typed("release", "promote", "shop")[0] == 0
    until(lambda: shown("release", "status", "shop")["release"]["state"] == "done")
    found = shown("ab", "shop")
    assert [(arm["arm"], arm["feedback"]) for arm in found["arms"]] == [
        ("1", sum(who == "old" for who in first.values())),
        ("2", sum(who == "new" for who in first.values())),
    ]
    assert found["effects"][0]["why"].startswith("not enough yet: ")
    assert found["sticky"] == "header:x-user"


def check_refusals(home: Path, group: Any) -> None:
    good = {"request_id": "x", "value": 1}
    assert tell(group, good, Authorization="wrong")[0] == 401
    assert tell(group, b"x" * (2 << 20))[0] == 413
    for said, words in (
        (b'{"request_id": "x", "value": NaN}', "NaN"),
        ({"request_id": "x", "value": "1"}, "/value"),
        ({"request_id": "", "value": 1}, "/request_id"),
        ([good, {**good, "name": "a b"}], "/1/name"),
        ({**good, "weight": 2}, "/weight is unknown"),
        ([good] * 1001, "at most 1000"),
        (b"{", "not JSON"),
        ([3], "/0 is not an object"),
    ):
        status, problem = tell(group, said)
        assert (status, words in problem["detail"] + problem["hint"]) == (400, True), problem
    hub = json.loads((home / "hub.json").read_text())
    behind = Request(f"{hub['url']}/api/feedback/shop", b"{}", {"Authorization": hub["token"]})
    with pytest.raises(HTTPError, match="401"):  # who does not come by the gateway is no caller
        urlopen(behind, timeout=30)
    address = urlsplit(hub["url"])
    with socket.create_connection((address.hostname, address.port), timeout=30) as stranger_at:
        stranger_at.sendall(b"POST /api/feedback/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n")
        assert b" 401 " in stranger_at.recv(100), "refused before the hub takes a byte of the body in"
    with mlserve.connect() as client:
        issued = client.tokens.create(["shop"])["token"]
        other = client.tokens.create(["blue"])["token"]
        until(lambda: tell(group, good, Authorization=f"Bearer {issued}")[0] == 200)
        assert tell(group, good, Authorization=f"Bearer {other}")[0] == 403
        assert client.groups.get("shop").ab().control == "blue"
        stranger = client.tokens.create(["blue"], scopes=["manage"])["token"]
        with pytest.raises(HTTPError, match="403"):
            urlopen(Request(f"{hub['url']}/v1/groups/shop/ab", headers={"Authorization": stranger}), timeout=30)
