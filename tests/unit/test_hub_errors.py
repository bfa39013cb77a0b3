"""What the management API says when something fails that nobody foresaw: still a problem document."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx

from mlserve.hub.app import application


def test_an_unforeseen_failure_is_a_problem_document_too() -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application("secret"), raise_app_exceptions=False)  # no hub behind it
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
            return await client.get("/v1/services", headers={"authorization": "Bearer secret"})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["code"] == "error"
    assert "secret" not in answer.text


def test_who_leaves_in_the_middle_of_a_body_is_no_failure_of_the_hub() -> None:
    said: list[Any] = []
    app = application("secret")
    app.state.arms = SimpleNamespace(require=lambda *_: None, feedback=None)
    address = {"type": "http", "method": "POST", "path": "/api/feedback/shop", "query_string": b"", "headers": []}

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(app(address, receive, send))
    assert [message.get("status") for message in said] == [400, None], "and no traceback in its log"
