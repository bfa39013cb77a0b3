"""Tokens from the command line to a service's answer: made, used, revoked, signed anew; and who manages what."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

import mlserve
from mlserve import client_lib
from mlserve.client import Client
from mlserve.errors import Denied, Forbidden, InvalidInput
from tests.waiting import until
from tests.walk.test_cli import document
from tests.walk.test_cli import mlserve as command

pytestmark = pytest.mark.timeout(300)
WEBAPP = Path(__file__).with_name("webapp.py")


def wish(folder: Path, name: str) -> Path:
    """A service that is started by its command, which is quick."""
    (folder / "app").mkdir(exist_ok=True)
    shutil.copy(WEBAPP, folder / "app")
    file = folder / f"{name}.json"
    wished = {"name": name, "command": "{python} webapp.py $PORT", "processor_path": "app", "metadata": {"instance": 1}}
    file.write_text(json.dumps(wished))
    return file


@pytest.fixture
def services(client: Client, tmp_path: Path) -> dict[str, str]:
    """Endpoints of fraud-a and wine."""
    made = [client.services.create(wish(tmp_path, name)) for name in ("fraud-a", "wine")]
    return {service.name: service.wait(timeout=60).endpoint for service in made}


def status(endpoint: str, token: str) -> int:
    return httpx.get(f"{endpoint}/x", headers={"authorization": f"Bearer {token}"}).status_code


def test_a_token_opens_requests_until_it_is_revoked_or_expires(services: dict[str, str]) -> None:
    made = document(
        "token", "create", "--service", "fraud*", "--scope", "evaluate", "--expires", "1h", "--label", "shop"
    )
    assert [status(services[name], made["token"]) for name in ("fraud-a", "wine")] == [200, 403]
    (shown,) = document("token", "list")
    assert (shown["id"], shown["state"], shown["services"], shown["label"]) == (made["id"], "valid", ["fraud*"], "shop")
    assert made["token"] not in json.dumps(shown)
    assert "fraud*" in command("token", "list").stdout

    short = document("token", "create", "--service", "wine", "--service", "fraud-a", "--expires", "10s")
    assert [status(services[name], short["token"]) for name in ("fraud-a", "wine")] == [200, 200]

    document("token", "revoke", made["id"])
    assert status(services["fraud-a"], made["token"]) == 401
    assert command("token", "revoke", "nothing").returncode == 3

    until(lambda: status(services["wine"], short["token"]) != 200, "the end of a token that had its time")
    assert status(services["wine"], short["token"]) == 401


def test_a_key_is_rotated_and_the_next_hub_knows_it(services: dict[str, str], client: Client) -> None:
    old = document("token", "create", "--service", "*")
    assert len(document("token", "rotate")["checking"]) == 2
    new = document("token", "create", "--service", "*")
    revoked = document("token", "create", "--service", "*")
    document("token", "revoke", revoked["id"])
    assert [status(services["wine"], each["token"]) for each in (old, new, revoked)] == [200, 200, 401]

    assert command("hub", "stop").returncode == 0
    assert [status(services["wine"], each["token"]) for each in (old, new, revoked)] == [200, 200, 401]
    assert [row["state"] for row in document("token", "list")] == ["revoked", "valid", "valid"]
    assert [status(services["wine"], each["token"]) for each in (old, new, revoked)] == [200, 200, 401]

    assert command("token", "rotate", "--remove-old").returncode == 2, "it asks first"
    assert document("token", "rotate", "--remove-old", "-y")["checking"]
    assert [status(services["wine"], each["token"]) for each in (old, new)] == [401, 401]
    assert status(services["wine"], client.services.get("wine").token or "") == 200, "its own token stays as it is"


def test_whoever_manages_some_services_sees_and_changes_no_other(
    services: dict[str, str], client: Client, home: Path, tmp_path: Path
) -> None:
    made = client.tokens.create(["fraud*"], scopes=["manage"])
    url = json.loads((home / "hub.json").read_text())["url"]
    assert status(services["fraud-a"], made["token"]) in (401, 403), "it is not for requests"
    with mlserve.connect(url, made["token"]) as theirs:
        assert [service.name for service in theirs.services.list()] == ["fraud-a"]
        theirs.services.get("fraud-a").scale(2).wait(timeout=60)
        assert theirs.services.plan(wish(tmp_path, "fraud-b")).action == "create"
        theirs.services.create(wish(tmp_path, "fraud-b")).wait(timeout=60).delete()
        for act in _others(theirs, tmp_path):
            with pytest.raises(Forbidden):
                act()
        client.tokens.revoke(made["id"])
        with pytest.raises(Denied, match="revoked"):
            theirs.services.list()
    evaluate = client.tokens.create(["*"])["token"]
    with mlserve.connect(url, evaluate) as caller, pytest.raises(Denied):
        caller.services.list()


def test_limits_of_a_service_and_of_a_token_answer_429(client: Client, tmp_path: Path) -> None:
    limits = ("networking.gateway_policy.rate_limit.limit=5", "metadata.instance=1")
    bounded = client.services.create(wish(tmp_path, "bounded"), set=limits).wait(timeout=60)
    free = client.services.create(wish(tmp_path, "free"), set=["metadata.rpc.rate_limit=1000"]).wait(timeout=60)
    all_of = document("token", "create", "--service", "*")["token"]
    few = document("token", "create", "--service", "*", "--rate-limit", "3")["token"]
    for endpoint, token, some_refused in (
        (bounded.endpoint, bounded.token, True), (bounded.endpoint, all_of, True),
        (free.endpoint, all_of, False), (free.endpoint, few, True),
    ):  # fmt: skip
        with httpx.Client(headers={"authorization": token or ""}) as asking:
            answers = [asking.get(f"{endpoint}/x").status_code for _ in range(30)]
        assert (429 in answers, set(answers) <= {200, 429}) == (some_refused, True), answers
    assert document("token", "list")[0]["rate_limit"] == 3


def test_events_say_who_did_what_and_never_with_which_token(
    services: dict[str, str], client: Client, home: Path, tmp_path: Path
) -> None:
    made = client.tokens.create(["fraud*"], scopes=["manage"], label="night shift")
    url = json.loads((home / "hub.json").read_text())["url"]
    with mlserve.connect(url, made["token"]) as theirs:
        theirs.services.get("fraud-a").scale(2).wait(timeout=60)
        for _ in range(3):
            with pytest.raises(Forbidden):
                theirs.services.get("fraud-a")._management.post("/v1/services/wine/stop")
        with pytest.raises(InvalidInput):
            theirs.services.get("fraud-a").scale(0)
    client.services.get("fraud-a").delete()
    httpx.post(f"{url}/v1/services/wine/stop", headers={"authorization": "wrong"})
    httpx.post(f"{url}/v1/services/made-up/stop", headers={"authorization": f"Bearer {made['token']}"})

    deleted, refused, scaled, created = document("events", "fraud-a")
    assert [(e["who"], e["what"], e["outcome"]) for e in (deleted, scaled, created)] == [
        ("hub", "delete", "done"), (made["id"], "scale", "done"), ("hub", "create", "done")
    ]  # fmt: skip
    assert (refused["outcome"], "1 to 1000" in refused["detail"]) == ("refused", True)
    assert (scaled["label"], "2 instances" in scaled["detail"]) == ("night shift", True)
    denied, _ = document("events", "wine")
    assert (denied["who"], denied["outcome"], denied["times"]) == (made["id"], "refused", 3)
    token, *_ = document("events")
    assert (token["what"], made["id"] in token["detail"]) == ("token create", True)
    assert command("events", "made-up").returncode == 3
    assert "night shift" in command("events", "fraud-a").stdout
    assert client_lib.events("wine")[0]["outcome"] == "refused"
    assert status(services["wine"], client_lib.create_token(["wine"])["token"]) == 200
    for name in ((), ("wine",), ("fraud-a",)):
        assert made["token"] not in command("events", *name).stdout


def _others(theirs: Client, folder: Path) -> list[Any]:
    return [
        lambda: theirs.services.get("wine"),
        lambda: theirs.services.create(wish(folder, "wine-2")),
        lambda: theirs.services.plan(wish(folder, "wine")),
        lambda: theirs.tokens.create(["*"]),
        lambda: theirs.tokens.list(),
        lambda: theirs.tokens.rotate(),
        lambda: theirs.hub.stop(),
        lambda: theirs.resources.add("box", "docker", check=False),
    ]
