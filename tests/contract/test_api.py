"""The management API against its own OpenAPI document: whatever comes, it answers as it says and never with a crash."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from tests.conftest import stop_everything

import mlserve
from mlserve.errors import StartFailed
from mlserve.hub.api import answers
from mlserve.hub.app import application

DOCUMENT = application("").openapi()
# Not fuzzed: what ends the hub, and what reads whichever path of this machine it is told.
for path in ("/v1/hub/stop", "/v1/content/local"):
    DOCUMENT["paths"].pop(path)
schema = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig())


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One hub for all of these: what is sent hardly ever is a service that could start."""
    home = tmp_path_factory.mktemp("hub") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLSERVE_HOME", str(home))
        patch.setenv("MLSERVE_GATEWAY", "127.0.0.1:0")
        with mlserve.connect() as client:
            client.services.list()
        yield json.loads((home / "hub.json").read_text())
        stop_everything(home)


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_the_hub_answers_anything_as_its_document_says(case: schemathesis.Case, hub: dict[str, Any]) -> None:
    answer = case.call(base_url=hub["url"], headers={"Authorization": f"Bearer {hub['token']}"}, timeout=10)
    assert answer.status_code < 500 or answer.status_code == 507, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == ["application/problem+json"]
        problem = answer.json()
        assert problem["code"]
        assert problem["detail"]
        assert problem["status"]


def ask(hub: dict[str, Any], method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(urlsplit(hub["url"]).netloc, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_every_route_but_liveness_wants_the_token(hub: dict[str, Any]) -> None:
    assert ask(hub, "GET", "/healthz") == (200, {"status": "ok"})
    for path in (*DOCUMENT["paths"], "/openapi.json", "/nowhere"):
        if path != "/healthz":
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": ""}):
                status, problem = ask(hub, "GET", path.replace("{name}", "iris"), **headers)
                assert (status, problem["code"]) == (401, "denied"), path


def test_an_unknown_route_and_a_wrong_method_are_problems_too(hub: dict[str, Any]) -> None:
    allowed = {"Authorization": f"Bearer {hub['token']}"}
    assert ask(hub, "GET", "/v1/nowhere", **allowed)[1]["code"] == "not-found"
    assert ask(hub, "PUT", "/v1/services", **allowed)[0] == 405


def test_a_body_that_is_not_json_is_named(hub: dict[str, Any]) -> None:
    status, problem = ask(
        hub,
        "POST",
        "/v1/services",
        b"{not json",
        Authorization=f"Bearer {hub['token']}",
        **{"Content-Type": "application/json"},
    )
    assert (status, problem["code"]) == (400, "invalid-input")


def test_what_the_hub_shows_is_what_its_document_says(hub: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from mlserve.runtime import Processor\nclass Broken(Processor):\n    1 / 0\n")
    descriptor = {"name": "broken", "processor_type": "python", "processor_path": ".", "processor_entry": "app.py"}
    path = tmp_path / "service.json"
    path.write_text(json.dumps({**descriptor, "metadata": {"instance": 1, "memory": 256}}))
    with mlserve.connect() as client, pytest.raises(StartFailed):
        client.services.create(path).wait(timeout=60)
    allowed = {"Authorization": f"Bearer {hub['token']}"}
    shown = {
        "": answers.ServiceAnswer,
        "/instances": answers.InstancesAnswer,
        "/versions": answers.VersionsAnswer,
        "/failure": answers.FailuresAnswer,
    }
    for route, model in shown.items():
        status, body = ask(hub, "GET", f"/v1/services/broken{route}", **allowed)
        assert status == 200
        assert model.model_validate(body).model_dump(exclude_unset=True) == body, route
