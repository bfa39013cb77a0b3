"""A fallback through a whole hub: named in a descriptor, asked when every instance is gone, counted."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from urllib.request import Request, urlopen

from mlserve import client_lib
from tests.waiting import until
from tests.walk.release_kit import descriptor
from tests.walk.test_release_verbs import mlserve, shown


def ask(service: dict[str, str]) -> tuple[str, str | None]:
    with urlopen(Request(service["endpoint"], b"{}", {"Authorization": service["token"]}), timeout=10) as answer:
        return answer.read().decode(), answer.headers["x-mlserve-fallback"]


def test_a_lighter_service_answers_while_every_instance_is_gone(home: Path, tmp_path: Path) -> None:
    heavy = descriptor(tmp_path, "heavy", fallback={"service": "lite"})
    code, out, _ = mlserve("validate", heavy)
    assert (code, 'the fallback "lite" is no service' in out) == (2, True), "said before it is created"
    code, _, err = mlserve("create", heavy)
    assert (code, "/fallback/service" in err or 'the fallback "lite" is no service' in err) == (2, True), err
    assert mlserve("create", descriptor(tmp_path, "lite", name="lite"))[0] == 0
    assert mlserve("create", heavy)[0] == 0
    service = shown("describe", "shop")
    assert service["fallback"] == {"service": "lite", "on": ["down", "error", "overload", "timeout"], "answered": 0}
    assert ask(service) == ("heavy", None)
    for instance in shown("describe", "shop")["instances"]:
        os.kill(instance["pid"], signal.SIGKILL)
    found = {ask(service) for _ in range(50)}
    assert ("lite", "lite") in found, "and none of these failed"
    assert found <= {("heavy", None), ("lite", "lite")}
    until(lambda: ask(service) == ("heavy", None))
    assert shown("describe", "shop")["fallback"]["answered"] >= 1
    assert "lite on down" in mlserve("describe", "shop")[1]
    assert shown("describe", "shop")["warnings"] == []
    assert mlserve("delete", "lite", "-y")[0] == 0
    (warning,) = shown("describe", "shop")["warnings"]
    assert (warning["pointer"], "is gone" in warning["message"]) == ("/fallback/service", True)
    assert mlserve("stop", "shop")[0] == 0


def test_a_mirror_is_begun_counted_and_ended(home: Path, tmp_path: Path) -> None:
    assert mlserve("create", descriptor(tmp_path, "shop"))[0] == 0
    assert mlserve("create", descriptor(tmp_path, "next", name="next"))[0] == 0
    for words, code in (
        (["--to", "nobody"], 3),
        (["--to", "shop"], 2),
        (["--to", "next", "--percent", "0"], 2),
        (["--to", "next", "--off"], 2),
        ([], 0),
    ):
        assert mlserve("mirror", "shop", *words)[0] == code, words
    service = shown("mirror", "shop", "--to", "next", "--percent", "100")
    assert (service["mirror"]["to"], service["mirror"]["percent"]) == ("next", 100)

    def heard() -> bool:
        assert ask(service) == ("shop", None)
        return bool(shown("describe", "shop")["mirror"]["sent"])

    until(heard)
    assert mlserve("mirror", "shop", "--off")[0] == 0
    assert shown("describe", "shop")["mirror"] is None
    mirrored = client_lib.mirror("shop", "next", 25).to_dict()["mirror"]
    assert (mirrored["to"], mirrored["percent"]) == ("next", 25)
    assert client_lib.end_mirror("shop").to_dict()["mirror"] is None
