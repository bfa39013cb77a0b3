"""A page about wines and the service behind it. Nothing here knows mlserve; links are relative, as behind any proxy."""

from __future__ import annotations

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

MODEL = json.loads(Path(__file__).with_name("model.json").read_text())
FIELDS = "".join(f'<p><label>{name} <input name="{name}" value="13"></label></p>' for name in MODEL["features"])
FORM = f'<form action="guess">{FIELDS}<button>Guess</button></form>'
PAGE = f"<!doctype html><title>Wines</title><h1>Which wine?</h1>{FORM}"


def nearest(wine: dict[str, float]) -> str:
    """The cultivar whose mean is nearest, each measurement by its own spread."""
    values = [(wine[name], spread) for name, spread in zip(MODEL["features"], MODEL["spread"], strict=True)]

    def distance(mean: list[float]) -> float:
        return sum(((value - middle) / spread) ** 2 for (value, spread), middle in zip(values, mean, strict=True))

    return min(MODEL["means"], key=lambda name: distance(MODEL["means"][name]))


class Wines(BaseHTTPRequestHandler):
    """GET / is the page, GET guess?… what its form asks, POST / the same with JSON."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/":
            self.answer(200, PAGE, "text/html; charset=utf-8")
        elif address.path == "/guess":
            self.guess(dict(parse_qsl(address.query)))
        else:
            self.answer(404, json.dumps({"error": f"nothing at {address.path}"}))

    def do_POST(self) -> None:
        self.guess(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def guess(self, wine: dict[str, float | str]) -> None:
        try:
            name = nearest({feature: float(wine[feature]) for feature in MODEL["features"]})
        except (KeyError, ValueError) as exc:
            self.answer(400, json.dumps({"error": f"a number is missing: {exc}", "features": MODEL["features"]}))
        else:
            self.answer(200, json.dumps({"wine": name}))

    def answer(self, status: int, text: str, kind: str = "application/json") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ThreadingHTTPServer(("", 8000), Wines).serve_forever()
