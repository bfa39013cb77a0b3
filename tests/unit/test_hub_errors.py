"""What the management API says when something fails that nobody foresaw: still a problem document."""

from __future__ import annotations

import asyncio

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
