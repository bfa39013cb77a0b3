"""What users see of a service."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlserve.hub.plan import Seen
from mlserve.hub.records import Prepared, Service, Version
from mlserve.hub.releases.records import Kept
from mlserve.hub.view import service, version

WISH = Service("iris", "secret", public=False, resource="local", created_at=0, updated_at=0)
NATIVE = {"from": "sklearn", "to": None, "reason": "no converter knows it"}


@pytest.mark.parametrize(("failure", "codes"), [(None, ["not-converted"]), ({"cause": "load-exception"}, [])])
def test_what_failed_is_not_called_slower_than_it_could_be(failure: dict[str, str] | None, codes: list[str]) -> None:
    version = Version("iris", 1, 0.0, {}, prepared=Prepared("python", conversion=NATIVE))
    seen = Seen(WISH, {1: replace(version, failure=failure)})
    shown = service(seen, gateway="http://127.0.0.1:1", progress=None, kind="process")
    assert [warning["code"] for warning in shown["warnings"]] == codes


def test_what_became_of_each_version() -> None:
    wish = replace(WISH, serving=3, target=4, kept=Kept(2, 1, 600.0))
    versions = {number: Version("iris", number, 0.0, {}) for number in range(1, 6)}
    versions[5] = replace(versions[5], failure={"cause": "load-exception"})
    states = [version(wish, one)["state"] for one in versions.values()]
    assert states == ["replaced", "kept", "serving", "starting", "failed"]
