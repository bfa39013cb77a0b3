"""The page about a service in a real browser, through the real gateway."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import split

import pytest

from mlserve.gateway.table import Cluster, Route, Table
from tests.unit.runtime_kit import IRIS, Running, processor, serving
from tests.walk.browser import PROGRAM, Tab, tab
from tests.walk.gateway_kit import TOKEN, gateway

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Chromium: apt-get install chromium")

NASTY = '<img src=x onerror="window.owned=1">\'"</script>'
OWN = f"""
class Own:
    def metadata(self):
        tensor = {{"name": {NASTY!r}, "type": "float32", "shape": [-1, 1]}}
        return {{"inputs": [tensor], "outputs": [tensor]}}
    def predict(self, inputs):
        return inputs
"""


@contextmanager
def opened(home: Path, instance: Running, token: str | None) -> Iterator[tuple[Tab, str]]:
    """The page of an instance behind a gateway; its address."""
    wished = Table(
        (Cluster("own", 1, (f"127.0.0.1:{instance.port}",)),),
        (Route("own", ((1, 1),), token=token, open_docs=True),),
    )
    with asyncio.Runner() as runner:
        made = gateway(home)
        started = runner.run(made.__aenter__())
        try:
            runner.run(started.publish(wished))
            address = f"http://{started.address}/api/predict/own"
            with tab(home) as page:
                page.call("Page.navigate", url=f"{address}/docs")
                yield page, address
        finally:
            runner.run(made.__aexit__(None, None, None))


def typed(page: Tab, token: str) -> None:
    page.until("!document.querySelector('form')?.hidden && document.querySelector('form') !== null")
    page.value(f"document.querySelector('form input').value = {json.dumps(token)}")
    page.value("document.querySelector('form').requestSubmit()")


def shown(page: Tab) -> str:
    page.until("document.querySelectorAll('main h2').length > 2")
    return str(page.value("document.body.innerText"))


def test_a_typed_token_opens_the_page_and_stays_out_of_its_address(tmp_path: Path) -> None:
    with serving(tmp_path / "own", model_path=str(IRIS)) as instance, opened(tmp_path, instance, TOKEN) as (page, url):
        typed(page, "wrong")
        page.until("document.getElementById('said').textContent.includes('does not open')")
        assert "sepal_length" not in page.value("document.documentElement.outerHTML")
        typed(page, TOKEN)
        text = shown(page)
        assert "sepal_length" in text
        assert page.value("location.href") == f"{url}/docs"
        assert TOKEN not in page.value("document.documentElement.outerHTML")
        assert page.value("JSON.stringify([localStorage, sessionStorage, document.cookie])") == '[{},{},""]'
        lines = re.findall(r"curl \S+ -H 'content-type: application/json'(.*)", text)
        assert len(lines) == 3
        assert all(line.startswith(' -H "Authorization: $TOKEN"') for line in lines)
        page.value("document.querySelector('main button').click()")
        page.until("document.querySelector('main pre').textContent.startsWith('200 {')")


def test_names_of_a_model_are_text_and_a_public_service_needs_no_token(tmp_path: Path) -> None:
    own = processor(tmp_path, OWN)
    with (
        serving(tmp_path / "own", processor="python", processor_path=own) as instance,
        opened(tmp_path, instance, None) as (page, _),
    ):
        text = shown(page)
        assert NASTY in text
        assert "Authorization" not in text
        assert page.value("typeof window.owned") == "undefined"
        assert page.value("document.querySelectorAll('main img').length") == 0
        (line,) = re.findall(r"(curl \S+/eval -H 'content-type: application/json' \\\n  -d .*)", text)
        assert json.loads(split(line)[-1]) == {NASTY: [[0.0]]}
