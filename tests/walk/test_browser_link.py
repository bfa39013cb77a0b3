"""The link that describe prints, in a real browser: it opens a service once, and leaves the browser let in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx
import pytest

from mlserve.client import Client
from mlserve_cli.show import described
from tests.walk.browser import PROGRAM, Tab, tab
from tests.walk.test_cli import document, mlserve

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(PROGRAM is None, reason="needs Chromium: apt-get install chromium"),
]

WEBAPP = Path(__file__).with_name("webapp.py")
READ = "fetch({!r}).then(answer => answer.status)"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The descriptor of a web app that is started by its command."""
    folder = tmp_path / "app"
    folder.mkdir()
    shutil.copy(WEBAPP, folder)
    wished = {"name": "app", "command": "{python} webapp.py $PORT", "processor_path": "app"}
    file = tmp_path / "service.json"
    file.write_text(json.dumps({**wished, "metadata": {"instance": 1, "cpu": 0.5}}))
    return file


def opened(page: Tab, link: str, *, at: str) -> None:
    page.call("Page.navigate", url=link)
    page.until(f"location.pathname === {at!r} && document.readyState === 'complete'")


def test_a_link_opens_a_web_app_once_and_only_that(client: Client, app: Path, iris: Path, tmp_path: Path) -> None:
    service = client.services.create(app).wait(timeout=60)
    other = client.services.create(iris).wait(timeout=60)
    link = document("describe", "app")["link"]
    assert service.token not in link
    assert link.startswith(f"{service.endpoint.partition('/api/')[0]}/api/login/")
    assert httpx.head(link).status_code != 200, "a look at the link by a chat program opens nothing"

    with tab(tmp_path) as page:
        opened(page, link, at="/api/predict/app/")
        page.until("document.getElementById('socket').textContent === 'HELLO'")
        page.until("document.getElementById('events').textContent === '0 1 2 '")
        assert page.value("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 128, 0)"
        assert page.value("document.cookie") == "", "no script of the page can read the cookie"
        (cookie,) = page.call("Network.getAllCookies")["cookies"]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/api/predict/app")
        told = page.value("fetch('x?q=1').then(answer => answer.json())")
        assert told["path"] == "/x?q=1"
        assert "cookie" not in told["headers"], "the login stays at the gateway"

        page.value("document.querySelector('form').requestSubmit()")
        page.until("location.pathname === '/api/predict/app/thanks' && location.search === '?who=Ada'")
        opened(page, f"{service.endpoint}/private", at="/api/predict/app/welcome")
        assert json.loads(page.value("document.body.innerText"))["headers"]["cookie"] == "sid=1"
        opened(page, service.endpoint, at="/api/predict/app/")

        assert page.value(READ.format(f"{other.endpoint}/describe")) == 401, "it opens no other service"
        opened(page, link, at=link.partition("//")[2].partition("/")[2].join(("/", "")))
        assert "opened before" in page.value("document.body.innerText")

        service.update(set=["token=another-token"]).wait(timeout=60)
        opened(page, f"{service.endpoint}/", at="/api/predict/app/")
        assert '"denied"' in page.value("document.body.innerText"), "another token ends what the old one opened"


def test_a_models_page_opens_without_typing_the_token(client: Client, iris: Path, tmp_path: Path) -> None:
    service = client.services.create(iris).wait(timeout=60)
    assert "opens it in a browser, once" in described(service, service.link())
    with tab(tmp_path) as page:
        opened(page, service.link(), at="/api/predict/iris/docs")
        page.until("document.querySelectorAll('main h2').length > 2")
        page.value("document.querySelector('main button').click()")
        page.until("document.querySelector('main pre').textContent.startsWith('200 {')")
        assert page.value("document.querySelector('form').hidden")
        assert service.token not in page.value("document.documentElement.outerHTML")


def test_a_link_outlives_the_hub_that_made_it(client: Client, app: Path) -> None:
    service = client.services.create(app).wait(timeout=60)
    link = service.link()
    assert mlserve("hub", "stop").returncode == 0
    assert httpx.get(link).json()["code"] == "no-hub"
    assert httpx.get(f"{service.endpoint}/x", headers={"authorization": service.token}).status_code == 200
    client.services.get("app")  # starts a hub, on another port
    with httpx.Client(follow_redirects=True) as browser:
        answer = browser.get(link, headers={"accept": "text/html"})
        assert (answer.status_code, answer.url.path) == (200, "/api/predict/app/")
        assert browser.get(link, headers={"accept": "text/html"}).status_code == 401
