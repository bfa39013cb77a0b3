"""Warm-up data as requests: a body a line, a whole file, or recorded ones with their path and headers."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure

_KINDS = {
    ".bin": b"application/octet-stream", ".pb": b"application/octet-stream", ".csv": b"text/csv",
    ".parquet": b"application/vnd.apache.parquet", ".arrow": b"application/vnd.apache.arrow.file",
    ".jpg": b"image/jpeg", ".jpeg": b"image/jpeg", ".png": b"image/png",
}  # fmt: skip
_LINES = (".txt", ".jsonl")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request; ``name`` tells where it was found, an empty ``path`` that any will do."""

    name: str
    body: bytes
    path: str = ""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)


def recorded(path: Path) -> Iterator[Recorded]:
    """The requests of a file, or of the files in a folder: a line each of .txt and .jsonl, whole files otherwise."""
    if not path.exists():
        raise StartFailure("warm-up-failed", f"no warm-up data at {path}", "check warm_up_data_path")
    files = (
        sorted(f for f in path.rglob("*") if f.is_file() and not f.name.startswith(".")) if path.is_dir() else [path]
    )
    for file in files:
        content = file.read_bytes()
        suffix = file.suffix.lower()
        if suffix in _KINDS:
            yield Recorded(file.name, content, "/", {b"content-type": _KINDS[suffix]})
        elif suffix in _LINES:
            for number, line in enumerate(content.splitlines(), 1):
                if line.strip():
                    yield from _one(f"{file.name}:{number}", line)
        else:
            yield from _one(file.name, content)


def _one(name: str, body: bytes) -> Iterator[Recorded]:
    """The body itself, or what was recorded of a request: nothing, where values in it were hidden or cut."""
    told = _object(body)
    if not isinstance(told.get("path"), str) or not ("request" in told or "body" in told):
        yield Recorded(name, body)
        return
    asked = told["request"] if "request" in told else told["body"]
    headers: Any = told.get("headers") if isinstance(told.get("headers"), dict) else {}
    read = {
        str(key).lower().encode("latin-1"): str(value).encode("latin-1", "replace") for key, value in headers.items()
    }
    if isinstance(told.get("content_type"), str):
        read[b"content-type"] = told["content_type"].encode("latin-1", "replace")
    if isinstance(asked, dict) and _is_tensors(asked.get("inputs")):
        if not any(item.get("data") == "***" or item.get("truncated") for item in asked["inputs"]):
            yield _from_tensors(name, asked)
    elif asked is not None:
        yield Recorded(name, _bytes(name, asked), told["path"], read)


def _is_tensors(inputs: Any) -> bool:
    return isinstance(inputs, list) and all(isinstance(item, dict) and "datatype" in item for item in inputs)


def _from_tensors(name: str, asked: Mapping[str, Any]) -> Recorded:
    """In the words of the Open Inference Protocol, whatever it was asked in; large tensors as base64."""
    inputs, blobs = [], []
    for item in asked["inputs"]:
        plain = {key: value for key, value in item.items() if key not in ("base64", "truncated")}
        if "base64" in item:
            blobs.append(_unpacked(name, item["base64"]))
            plain["parameters"] = {"binary_data_size": len(blobs[-1])}
        inputs.append(plain)
    text = json.dumps({**asked, "inputs": inputs}).encode()
    headers = {b"inference-header-content-length": b"%d" % len(text)} if blobs else {}
    return Recorded(name, b"".join((text, *blobs)), "v2", headers)


def _bytes(name: str, asked: Any) -> bytes:
    if isinstance(asked, dict) and asked.keys() == {"base64"}:
        return _unpacked(name, asked["base64"])
    return asked.encode() if isinstance(asked, str) else json.dumps(asked).encode()


def _unpacked(name: str, text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as exc:
        raise StartFailure("warm-up-failed", f"{name}: its base64 can't be read: {exc}", "record it again") from exc


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
