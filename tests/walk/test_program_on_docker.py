"""One descriptor of a web server of one's own serves on this machine and in a container."""

from __future__ import annotations

import json

import pytest

from mlserve.client import Client
from tests.docs.pages import ROOT

EXAMPLE = ROOT / "examples" / "own-server"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_command_listens_where_its_place_needs_it(box: Client) -> None:
    question = json.loads((EXAMPLE / "request.json").read_text())
    for group in ("local", "box"):
        wished = [f"name=on-{group}", f"metadata.resource={group}"]
        service = box.services.create(EXAMPLE / "service.json", set=wished).wait(timeout=200)
        assert service.predict(question)["progression"] == pytest.approx(205.8)
        service.delete()
