"""A small web app that believes to be at the root: ``python webapp.py PORT``. Python alone, to run anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>webapp</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="static/style.css">
<h1>a web app</h1><p>see <a href="page/two?x=1">the second page</a></p>
<form action="guestbook" method="post"><input name="who" value="Ada"><button>sign</button></form>
<pre id="socket"></pre><pre id="events"></pre>
<script src="static/app.js"></script></html>"""
SCRIPT = """
const here = (path, scheme) => new URL(path, location.href.replace(/^http/, scheme));
const socket = new WebSocket(here("socket", "ws"));
socket.onopen = () => socket.send("hello");
socket.onmessage = ({data}) => document.getElementById("socket").textContent = data;
const events = new EventSource(here("events", "http"));
events.onmessage = ({data}) => document.getElementById("events").textContent += data + " ";
events.onerror = () => events.close();
"""
STYLE = "h1 { color: rgb(0, 128, 0); }"
_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self.headers.get("upgrade", "").lower() == "websocket":
            return self.echo()
        if path == "/":
            return self.say(200, PAGE, "text/html")
        if path == "/static/style.css":
            return self.say(200, STYLE, "text/css")
        if path == "/static/app.js":
            return self.say(200, SCRIPT, "text/javascript")
        if path == "/healthy":
            return self.go("/") if not Path("/tmp/ill").exists() else self.say(503, "ill", "text/plain")
        if path == "/fall-ill":
            return self.say(200, str(Path("/tmp/ill").touch()), "text/plain")
        if path == "/private":
            return self.go("/login")
        if path == "/login":
            return self.go("/welcome", **{"set-cookie": "sid=1; Path=/; HttpOnly"})
        if path == "/beside":
            with urlopen(f"http://127.0.0.1:{urlsplit(self.path).query}/", timeout=20) as answer:
                return self.say(200, answer.read().decode(), "text/html")
        if path == "/events":
            return self.tell()
        return self.said()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        if self.path == "/guestbook":
            return self.go(f"http://{self.headers['host']}/thanks?who={parse_qs(body)['who'][0]}")
        return self.said()

    def said(self) -> None:
        """What was asked, and who answers."""
        facts: dict[str, Any] = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}
        facts |= {"environment": dict(os.environ), "uid": os.getuid()}
        self.say(200, json.dumps(facts), "application/json")

    def say(self, status: int, text: str, kind: str, **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {**headers, "content-type": kind, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def go(self, where: str, **headers: str) -> None:
        self.say(303, "", "text/plain", location=where, **headers)

    def tell(self) -> None:
        """Three events, 0.2 s apart."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for number in range(3):
            self.wfile.write(f"data: {number}\n\n".encode())
            self.wfile.flush()
            time.sleep(0.2)
        self.close_connection = True

    def echo(self) -> None:
        """A WebSocket that says each short text again, in capitals."""
        key = hashlib.sha1(self.headers["sec-websocket-key"].encode() + _SALT).digest()
        self.send_response(101)
        for name, value in (("upgrade", "websocket"), ("connection", "upgrade")):
            self.send_header(name, value)
        self.send_header("sec-websocket-accept", base64.b64encode(key).decode())
        self.end_headers()
        self.close_connection = True
        while len(head := self.rfile.read(2)) == 2 and head[0] & 15 == 1:
            mask, text = self.rfile.read(4), self.rfile.read(head[1] & 127)
            plain = bytes(letter ^ mask[at % 4] for at, letter in enumerate(text)).upper()
            self.wfile.write(bytes((0x81, len(plain))) + plain)

    def log_message(self, *_: object) -> None:
        return


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), App).serve_forever()
