"""A small real instance for the gateway's tests: ``python upstream.py PORT NAME``, an ASGI app on uvicorn."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

import uvicorn

NAME = sys.argv[2] if len(sys.argv) > 2 else ""
SEEN: Counter[str] = Counter()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        return await echo(receive, send)
    if scope["type"] != "http":
        return None
    path, query = scope["raw_path"].decode(), scope["query_string"].decode()
    SEEN[query] += 1
    body = await read(receive)
    if path == "/die":
        os._exit(9)
    if path == "/full":
        return await answer(send, 503, {"own": "full"}, overloaded=True)
    if path == "/error":
        return await answer(send, 418, {"own": "error"})
    if path == "/stream":
        return await stream(send)
    if path == "/say":
        return await say(send, query)
    if path.startswith("/lame/") and NAME.startswith("p"):
        return await lame(send, path.removeprefix("/lame/"))
    if path == "/slow":
        await asyncio.sleep(float(query or 1))
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    seen = {"seen": SEEN[body.decode()]} if path == "/seen" else {}
    facts = {"name": NAME, "path": path, "query": query, "size": len(body), "headers": headers, **seen}
    return await answer(send, 200, facts)


async def lame(send: Any, how: str) -> None:
    """A primary that answers with an error, late, or one at a time (it counts whom it refuses); any other is well."""
    if how == "error":
        return await answer(send, 500, {"own": "error"})
    if how == "slow":
        await asyncio.sleep(5)
    if how == "refusals":
        return await answer(send, 200, {"count": SEEN["refusals"]})
    if SEEN["busy"] and how == "busy":
        SEEN["refusals"] += 1
        return await answer(send, 503, {"own": "full"}, overloaded=True)
    SEEN["busy"] += 1
    await asyncio.sleep(0.02)
    SEEN["busy"] -= 1
    return await answer(send, 200, {"name": NAME})


async def read(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def answer(send: Any, status: int, content: dict[str, Any], *, overloaded: bool = False) -> None:
    headers = [(b"content-type", b"application/json")] + [(b"x-mlserve-overloaded", b"1")] * overloaded
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


async def say(send: Any, query: str) -> None:
    """A redirect with the headers that the query names."""
    headers = [(name.encode(), value.encode()) for name, value in parse_qsl(query)]
    await send({"type": "http.response.start", "status": 302, "headers": headers})
    await send({"type": "http.response.body"})


async def stream(send: Any) -> None:
    """Five events, 0.3 s apart."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for number in range(5):
        await send({"type": "http.response.body", "body": f"data: {number}\n\n".encode(), "more_body": True})
        await asyncio.sleep(0.3)
    await send({"type": "http.response.body"})


async def echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": f"{NAME}:{message['text']}"})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", timeout_keep_alive=75)
