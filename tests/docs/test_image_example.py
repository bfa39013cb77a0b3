"""The example of an image is built, created on a Docker engine, asked and opened as the README says."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from tests.docker_engine import Engine
from tests.docs.pages import README, ROOT

from mlserve.client import Client

LINES = ("docker build -t mlserve-example-wines examples/image", "mlserve resource add box --backend docker",
         "mlserve create examples/image/service.json --set metadata.resource=box")  # fmt: skip


@pytest.fixture
def built(docker_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The image is there, and Docker's own default is the tests' engine: for the hub too, which starts after this."""
    monkeypatch.setenv("DOCKER_HOST", docker_engine.host)
    with closing(docker_engine.client()) as client:
        client.images.build(path=str(ROOT / "examples" / "image"), tag="mlserve-example-wines", rm=True)
        yield
        client.images.remove("mlserve-example-wines", force=True)


def test_the_readme_says_how_the_image_is_run() -> None:
    text = README.read_text()
    assert [line for line in LINES if line not in text] == []


@pytest.mark.slow
def test_the_image_is_served_as_typed_and_its_page_works_in_a_browser(built: None, client: Client) -> None:
    typed(LINES[1])
    said = typed(LINES[2])
    line = next(line for line in said.splitlines() if line.startswith("try "))
    answer = subprocess.run(shlex.split(line)[1:], capture_output=True, text=True, timeout=20, check=True).stdout
    assert "Which wine?" in answer, "the line to paste asks for something that this image has"
    service = client.services.get("wines")
    assert service.predict(ROOT / "examples" / "image" / "request.json") == {"wine": "class_0"}
    with httpx.Client(follow_redirects=True) as browser:
        page = browser.get(service.link())
        assert 'action="guess"' in page.text
        answer = browser.get(page.url.join("guess?alcohol=13&flavanoids=0.8&proline=630"))
        assert answer.json() == {"wine": "class_2"}
    service.delete()
    client.resources.remove("box")


def typed(line: str) -> str:
    command = [sys.executable, "-m", "mlserve_cli", *line.split()[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
