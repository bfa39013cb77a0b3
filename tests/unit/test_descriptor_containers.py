"""Containers in a descriptor: what they say together, in both spellings of health checks."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import jsonschema
import pytest

from mlserve.descriptor import BACKENDS, Descriptor, parse
from mlserve.descriptor.containers import main_of
from mlserve.descriptor.schema import schema
from mlserve.descriptor.secrets import masked
from mlserve.errors import Detail, InvalidDescriptor

DOCKER = BACKENDS["docker"]
PORT = {"image": "app", "port": 8000}


def raw(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "app", "containers": list(containers), **fields}


def read(*containers: dict[str, Any], **fields: Any) -> Descriptor:
    return parse(raw(*containers, **fields), supported=DOCKER).descriptor


def mistakes(*containers: dict[str, Any], **fields: Any) -> dict[str, Detail]:
    with pytest.raises(InvalidDescriptor) as caught:
        read(*containers, **fields)
    return {detail["pointer"]: detail for detail in caught.value.details}


def warned(*containers: dict[str, Any], **fields: Any) -> dict[str, str]:
    found = parse(raw(*containers, **fields), supported=DOCKER).warnings
    return {str(warning["pointer"]): str(warning["message"]) for warning in found}


@pytest.mark.parametrize(
    "check",
    [
        {"http_get": {"path": "/h?a=1", "port": 9000, "scheme": "http"}, "initial_delay_seconds": 3},
        {"httpGet": {"path": "/h?a=1", "port": "9000", "scheme": "HTTP"}, "initialDelaySeconds": 3},
    ],
)
def test_a_health_check_may_be_spelled_in_both_ways(check: dict[str, Any]) -> None:
    found = read(PORT | {"health_check": check}).containers[0].health_check
    assert found is not None
    assert found.http_get is not None
    assert (found.http_get.path, found.http_get.port) == ("/h?a=1", 9000)
    (pointer, words), *_ = warned(PORT | {"health_check": check}).items()
    assert pointer == f"/containers/0/health_check/{list(check)[1]}"
    assert "startup" in words or "asked from the start on" in words


def test_both_spellings_satisfy_the_schema() -> None:
    for check in ({"httpGet": {"path": "/h", "port": 1}}, {"tcp_socket": {"port": 1}, "failureThreshold": 3}):
        jsonschema.Draft202012Validator(schema()).validate(raw(PORT | {"health_check": check, "user": 1000}))


@pytest.mark.parametrize(
    ("check", "pointer", "words"),
    [
        ({"exec": {"command": ["true"]}}, "/exec", "asked from outside"),
        ({"http_get": {"path": "h"}}, "/http_get/path", "begin with /"),
        ({"httpGet": {"port": "http"}}, "/httpGet/port", "port's number"),
        ({"httpGet": {"scheme": "HTTPS"}}, "/httpGet/scheme", "'HTTP'"),
        ({"httpGet": {"httpHeaders": [{"name": "a", "value": "b"}]}}, "/httpGet/httpHeaders", "headers"),
        ({"http_gt": {"path": "/"}}, "/http_gt", 'nearest is "http_get"'),
        ({"http_get": {}, "tcp_socket": {}}, "", "one of http_get and tcp_socket"),
        ({}, "", "one of http_get and tcp_socket"),
    ],
)
def test_a_mistake_in_a_health_check_is_named_where_it_was_written(
    check: dict[str, Any], pointer: str, words: str
) -> None:
    found = mistakes(PORT | {"health_check": check})
    assert list(found) == [f"/containers/0/health_check{pointer}"]
    assert words in next(iter(found.values()))["message"]


def test_the_first_container_with_a_port_answers_and_that_is_said() -> None:
    beside = {"image": "beside"}
    assert main_of(read(beside, PORT)) == 1
    assert main_of(read(beside, beside)) == 0
    assert warned(beside, PORT) == {}
    (pointer, words), *_ = warned(beside, PORT, {"image": "other", "port": 9000}).items()
    assert pointer == "/containers/1/port"
    assert "answers the requests" in words
    check = {"health_check": {"tcp_socket": {}}}
    assert list(warned(PORT, beside | {"port": 9} | check))[-1] == "/containers/1/health_check"


def test_a_container_without_a_port_is_told_where_to_listen() -> None:
    assert "$PORT" in warned({"image": "app"})["/containers/0"]
    assert warned({"image": "app", "command": "serve --port $PORT"}) == {}


def test_containers_that_share_an_address_cant_share_a_port() -> None:
    found = mistakes(PORT, {"image": "other", "port": 9000}, {"image": "third", "port": 8000})
    assert list(found) == ["/containers/2/port"]
    assert "containers.0 has" in found["/containers/2/port"]["message"]


def test_what_belongs_to_processes_or_is_said_twice_is_refused() -> None:
    found = mistakes(PORT | {"command": "a", "script": "b"}, command="serve", port=1, env=[{"name": "A"}])
    assert set(found) == {"/containers/0/script", "/command", "/port", "/env"}
    twice = {"env": [{"name": "A"}, {"name": "A"}, {"name": "PORT", "value": 9}, {"name": "MLSERVE_INSTANCE"}]}
    assert set(mistakes(PORT | twice)) == {f"/containers/0/env/{number}" for number in (1, 2, 3)}
    assert read(PORT | {"env": [{"name": "PORT", "value": 8000}]}), "the same port may be said again"
    assert set(mistakes(PORT | {"command": "a 'b"})) == {"/containers/0/command"}
    assert set(mistakes(PORT | {"user": "me"}, {"image": "-x"})) == {"/containers/0/user", "/containers/1/image"}


def test_containers_win_over_a_processor_which_is_said() -> None:
    found = warned(
        PORT, processor="tensorflow_cpu", processor_type="python", processor_path="a", processor_entry="a.py"
    )
    assert set(found) == {"/processor", "/processor_type"}
    assert "not used" in found["/processor"]


@pytest.mark.parametrize("text", ["quiet-harbour", "dXNlcg==", "OnBhc3M=", "dXNlcjo=", "%%%"])
def test_a_login_that_is_none_is_refused_and_not_repeated(text: str) -> None:
    found = mistakes(PORT, dockerAuth=text)
    assert list(found) == ["/dockerAuth"]
    assert text not in str(found)


def test_a_login_is_never_shown() -> None:
    login = b64encode(b"user:quiet-harbour").decode()
    wished = raw(PORT | {"env": [{"name": "API_KEY", "value": "k"}]}, dockerAuth=login)
    assert read(PORT, dockerAuth=login).docker_auth == login
    shown = masked(wished)
    assert shown["dockerAuth"] == shown["containers"][0]["env"][0]["value"] == "***"
    assert login not in repr(parse(wished, supported=DOCKER).descriptor)


def test_packages_are_names_and_a_file_is_a_path_inside() -> None:
    wrong = {"pythonRequirements": ["numpy", "-r x"], "pythonRequirementsPath": "../x"}
    assert set(mistakes(PORT | {"prepare": wrong})) == {
        "/containers/0/prepare/pythonRequirements/1", "/containers/0/prepare/pythonRequirementsPath",
    }  # fmt: skip
