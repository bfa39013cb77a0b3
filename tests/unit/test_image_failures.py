"""What builders and registries write when something fails, in our words."""

from __future__ import annotations

import base64

import pytest

from mlserve.backends.docker import build_failures, registry_failures
from mlserve.backends.docker.credentials import decoded
from mlserve.errors import FetchFailed, InvalidInput
from mlserve.images.recipe import Recipe

RECIPE = Recipe("mlserve/iris:1", "python:3.11-slim")
OFFLINE = Recipe("mlserve/iris:1", "python:3.11-slim", offline=True)
ONTO = Recipe("mlserve/iris:1", "team/app:1", onto=True)
MISSING = "ERROR: No matching distribution found for sklern==1.0"


@pytest.mark.parametrize(
    ("recipe", "line", "code", "words"),
    [
        (OFFLINE, MISSING, "no-wheel", "none of sklern==1.0"),
        (RECIPE, MISSING, "no-version", "the index has no sklern==1.0"),
        (RECIPE, "[Errno -3] Temporary failure in name resolution\n" + MISSING, "no-index", "no package index"),
        (RECIPE, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate\n" + MISSING, "index-certificate", "does not trust"),
        (RECIPE, "write /x: no space left on device", "disk-full", "the disk of the engine is full"),
        (RECIPE, "/bin/sh: python3: not found", "base-image", "has no Python"),
        (RECIPE, "/usr/bin/python3: No module named pip", "base-image", "without pip"),
        (ONTO, "python3: not found", "image", "which put prepare.pythonRequirements into it"),
        (ONTO, "/usr/bin/python3: No module named pip", "image", "team/app:1 has no shell with a Python and its pip"),
        (RECIPE, "ERROR: Failed building wheel for hiredis", "no-wheel", "hiredis has to be compiled"),
        (RECIPE, "ERROR: ResolutionImpossible: for help visit", "conflict", "can't be met together"),
        (RECIPE, "something new", "build-failed", "something new"),
    ],
)
def test_a_failed_build_says_why(recipe: Recipe, line: str, code: str, words: str) -> None:
    error = build_failures.failed(recipe, "RUN pip install", line.splitlines(), "returned a non-zero code: 1")
    expected = words if code != "build-failed" else "returned a non-zero code"
    assert expected in error.message
    assert error.hint
    assert error.details[0]["code"] == code
    assert error.details[0]["step"] == "RUN pip install"
    assert line.splitlines()[-1] in error.details[0]["log"]


def test_no_password_is_in_the_lines_of_a_failed_build() -> None:
    lines = ["Looking in indexes: https://ann:quiet-harbour@index.example/simple"]
    error = build_failures.failed(RECIPE, "RUN pip install --index-url https://ann:quiet-harbour@i", lines, "failed")
    assert "quiet-harbour" not in str(error.to_dict())


def test_a_missing_base_names_the_ways_out() -> None:
    error = build_failures.baseless(RECIPE, FetchFailed("no such host", hint="check the name"))
    assert "its base is not on the engine" in error.message
    assert "docker save python:3.11-slim" in error.hint
    assert "MLSERVE_BASE_IMAGE" in error.hint


@pytest.mark.parametrize(
    ("text", "known", "code", "words"),
    [
        ("no basic auth credentials", False, "credentials", "there are none"),
        ("unauthorized: authentication required", True, "credentials", "does not accept these credentials"),
        ("denied: requested access to the resource is denied", True, "denied", "does not allow this user"),
        ("manifest for r.example/a:2 not found: manifest unknown", True, "image-missing", "has no r.example/a:2"),
        ("An image does not exist locally with the tag: r.example/a", True, "image-missing", "the engine has no"),
        ("dial tcp 10.0.0.1:5000: connect: connection refused", True, "registry-down", "can't be reached"),
        ("lookup r.example: no such host", True, "registry-unknown", "does not know the name"),
        ("x509: certificate signed by unknown authority", True, "certificate", "does not trust"),
        ("http: server gave HTTP response to HTTPS client", True, "no-tls", "plain HTTP"),
        ("teapot", True, "registry", "teapot"),
    ],
)
def test_registries_answers_are_told_apart(text: str, known: bool, code: str, words: str) -> None:
    error = registry_failures.failed("pulled", "r.example/a:2", "r.example", text, known=known)
    assert words in error.message
    assert error.hint
    assert error.details[0]["code"] == code


def test_docker_auth_is_user_and_password() -> None:
    auth = base64.b64encode(b"ann:quiet:harbour").decode()
    assert decoded(auth) == {"username": "ann", "password": "quiet:harbour"}


@pytest.mark.parametrize("auth", ["ann:quiet-harbour", base64.b64encode(b"quiet-harbour").decode(), "%%%"])
def test_what_is_no_docker_auth_is_refused_and_not_shown(auth: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decoded(auth)
    assert "quiet-harbour" not in str(caught.value.to_dict())
    assert auth not in str(caught.value.to_dict())
