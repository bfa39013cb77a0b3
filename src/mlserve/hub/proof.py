"""Prove that a version answers: real requests, through the gateway, to that version alone."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_GATEWAY_SAYS_NO = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Question:
    """One request. ``any_answer``: whatever the program says will do, as long as it is the program that says it."""

    method: str
    path: str
    body: bytes | None = None
    any_answer: bool = False


def questions(paths: Sequence[str], warm_up: str | None) -> Sequence[Question]:
    """What to ask a version: the paths its engine names, then its first warm-up request where there is one."""
    if not paths:
        return [Question("GET", "/", any_answer=True)]
    asked = [Question("GET", path) for path in paths]
    body = _first_request(Path(warm_up)) if warm_up else None
    return [*asked, Question("POST", "/", body)] if body else asked


def ask(
    gateway: str,
    service: str,
    version: int,
    secret: str,
    asked: Sequence[Question],
    timeout: float = 30.0,
    chain: str = "",
) -> str | None:
    """Send each question; None when all were answered, else what came. ``chain``: the gateway's own certificate."""
    host, _, port = gateway.rpartition(":")
    for question in asked:
        connection = _connection(host, int(port), chain, timeout)
        try:
            headers = {"x-mlserve-probe": secret, "x-mlserve-version": str(version), "content-type": "application/json"}
            path = f"/api/predict/{service}{question.path}"
            connection.request(question.method, path, question.body, headers)
            answer = connection.getresponse()
            body = answer.read(2000)
        except (OSError, http.client.HTTPException) as exc:
            return f"{question.method} {question.path}: {exc}"
        finally:
            connection.close()
        if answer.status in _GATEWAY_SAYS_NO or (answer.status >= 400 and not question.any_answer):
            return f"{question.method} {question.path}: {answer.status} {body.decode(errors='replace')[:300]}"
    return None


def _connection(host: str, port: int, chain: str, timeout: float) -> http.client.HTTPConnection:
    if not chain:
        return http.client.HTTPConnection(host, port, timeout=timeout)
    # This very certificate and no other, whatever it is for: the gateway is asked by its address.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=chain)
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


def _first_request(path: Path) -> bytes | None:
    """The first request of a warm-up file (``.txt``: one a line; ``.json``: the whole file) or folder."""
    if path.is_dir():
        files = sorted(child for child in path.iterdir() if child.suffix in (".txt", ".json"))
        return _first_request(files[0]) if files else None
    if path.suffix == ".txt":
        return next((line.strip() for line in path.read_bytes().splitlines() if line.strip()), None)
    return path.read_bytes() if path.suffix == ".json" else None
