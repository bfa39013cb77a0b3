"""Services that ask one another: by name alone, with a token that opens what they name, for as long as they run."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from mlserve import connect
from mlserve.client import Client, Service
from mlserve.errors import Forbidden
from tests.waiting import until
from tests.walk.release_kit import descriptor
from tests.walk.test_release_verbs import mlserve, shown

pytestmark = pytest.mark.timeout(300)

ASKER = """
import mlserve

class Asker:
    def predict(self, inputs):
        name = str(inputs["who"].ravel()[0])
        try:
            return {"said": [mlserve.Predictor(name).request("POST", "/", b"{}").body.decode()]}
        except mlserve.MlserveError as error:
            return {"said": [f"{type(error).__name__}: {error}; {error.hint}"]}
"""


def asker(folder: Path, calls: list[str], name: str = "asker") -> Path:
    """The descriptor of a processor that asks whomever a request names."""
    code = folder / "asker"
    code.mkdir(exist_ok=True)
    (code / "app.py").write_text(ASKER)
    written = {
        "name": name, "processor_type": "python", "processor_path": str(code), "processor_entry": "app.py:Asker",
        "calls": calls, "metadata": {"cpu": 0.1, "eas.termination_grace_period": 5},
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(written))
    return path


def said(service: Service, who: str) -> str:
    return str(service.predict({"who": [who]})["said"][0])


def granted(home: Path) -> dict[str, Any]:
    """What each version was given."""
    return {file.stem: json.loads(file.read_text()) for file in (home / "calls").glob("*.json")}


@contextmanager
def asking(service: Service, who: str) -> Iterator[list[str]]:
    """All that is said while somebody asks without a pause."""
    heard: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            heard.append(said(service, who))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield heard
    finally:
        done.set()
        thread.join(timeout=60)


def test_a_service_asks_those_that_it_names_and_no_others(client: Client, home: Path, tmp_path: Path) -> None:
    for name in ("shop", "other"):
        client.services.create(descriptor(tmp_path, name, name=name)).wait(timeout=90)
    code, out, err = mlserve("validate", asker(tmp_path, ["shop", "later"]))
    assert (code, 'there is no service "later" yet' in out + err) == (0, True), out + err
    code, out, err = mlserve("plan", asker(tmp_path, ["shop", "later"]))
    assert (code, 'there is no service "later" yet' in out + err) == (0, True), out + err
    service = client.services.create(asker(tmp_path, ["shop", "later"])).wait(timeout=90)
    assert said(service, "shop") == "shop"
    assert said(service, "later").startswith("NotFound: ")
    refused = said(service, "other")
    assert ("answered 403" in refused, 'name it in "calls"' in refused) == (True, True), refused

    found = shown("describe", "asker")
    assert (found["calls"], [one["code"] for one in found["warnings"]]) == (["shop", "later"], ["unknown-service"])
    assert "shop, later" in mlserve("describe", "asker")[1]
    client.services.create(descriptor(tmp_path, "later", name="later")).wait(timeout=90)
    assert said(service, "later") == "later", "it has come meanwhile"
    assert shown("describe", "asker")["warnings"] == []

    ((version, told),) = granted(home).items()
    assert (version, sorted(told["services"])) == ("asker@1", ["later", "shop"])
    file = home / "calls" / "asker@1.json"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    seen_nowhere(told["token"], home, file)
    assert (shown("token", "list"), shown("events")) == ([], [])

    former = told["token"]
    service.update(asker(tmp_path, ["other"])).wait(timeout=90)
    assert said(service, "other") == "other"
    assert "answered 403" in said(service, "shop")
    until(lambda: set(granted(home)) == {"asker@2"})
    until(lambda: opens(client, "shop", former) == 401)
    last = granted(home)["asker@2"]["token"]
    assert opens(client, "other", last) == 200
    service.delete()
    until(lambda: granted(home) == {})
    until(lambda: opens(client, "other", last) == 401)


def opens(client: Client, name: str, token: str) -> int:
    return httpx.post(client.services.get(name).endpoint, headers={"authorization": token}, timeout=30).status_code


def seen_nowhere(token: str, home: Path, but: Path) -> None:
    """Neither in a command line or environment that others could list, nor in any file but its own."""
    signature = token.rpartition(".")[2].encode()
    for process in psutil.process_iter():
        for part in ("cmdline", "environ"):
            try:
                text = Path(f"/proc/{process.pid}/{part}").read_bytes()
            except OSError:
                continue
            assert signature not in text, (process.pid, part)
    for found in (path for path in home.rglob("*") if path.is_file() and path != but):
        assert signature not in found.read_bytes(), found


@pytest.fixture
def hurried(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub, which is still to start, makes tokens of a short life."""
    monkeypatch.setenv("MLSERVE_CALL_TOKEN", "20s")


def test_keys_and_tokens_change_without_a_failed_call(
    home: Path, hurried: None, client: Client, tmp_path: Path
) -> None:
    client.services.create(descriptor(tmp_path, "shop")).wait(timeout=90)
    service = client.services.create(asker(tmp_path, ["sh*"])).wait(timeout=90)
    tokens = {granted(home)["asker@1"]["token"]}

    def renewed(times: int) -> bool:
        tokens.add(granted(home)["asker@1"]["token"])
        return len(tokens) > times

    with asking(service, "shop") as heard:
        until(lambda: len(heard) > 3)
        until(lambda: renewed(2), seconds=90)  # each is renewed after ten seconds, so the first has ended
        assert mlserve("token", "rotate")[0] == 0
        assert renewed(3), "signed by the new key from the moment that this returned"
        assert mlserve("token", "rotate", "--remove-old", "-y")[0] == 0
        assert renewed(4)
        before = len(heard)
        until(lambda: len(heard) > before + 3)
    assert set(heard) == {"shop"}


def test_calls_go_on_while_the_hub_is_away_and_the_next_one_keeps_the_token(
    client: Client, home: Path, tmp_path: Path
) -> None:
    client.services.create(descriptor(tmp_path, "shop")).wait(timeout=90)
    service = client.services.create(asker(tmp_path, ["shop", "asker"])).wait(timeout=90)
    former = granted(home)
    os.kill(json.loads((home / "hub.json").read_text())["pid"], signal.SIGKILL)
    assert said(service, "shop") == "shop"
    assert shown("describe", "asker")["status"] == "Running"
    assert (granted(home), said(service, "shop")) == (former, "shop")


def test_a_token_for_some_services_gives_none_for_others(client: Client, home: Path, tmp_path: Path) -> None:
    made = client.tokens.create(["as*"], scopes=["manage"], expires=600)["token"]
    with connect(json.loads((home / "hub.json").read_text())["url"], made) as theirs:
        for calls in (["shop"], ["*"], ["a*"]):
            with pytest.raises(Forbidden, match='not for "'):
                theirs.services.create(asker(tmp_path, calls))
            with pytest.raises(Forbidden, match='not for "'):
                theirs.services.plan(asker(tmp_path, calls))
        service = theirs.services.create(asker(tmp_path, ["asker", "as-others*"]))
        service.wait(timeout=90)
        with pytest.raises(Forbidden):
            service.update(asker(tmp_path, ["asker", "shop"]))
