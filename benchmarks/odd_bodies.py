"""Requests with something wrong in them, the same for each seed: cut, flipped, retyped, renamed, mislabelled. Pure."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

_PATHS = (
    "/", "/eval", "/v2/models/{}/infer", "/v2/models/{}/versions/1/infer", "/v1/models/{}:predict",
    "/v2/models/{}/generate", "/explain", "/api/builtin/realtime_metrics",
)  # fmt: skip
_TYPES = (
    "application/json", "application/octet-stream", "image/png", "image/jpeg", "text/csv", "multipart/form-data",
    "multipart/form-data; boundary=x", "application/vnd.apache.arrow.stream", "application/x-protobuf", "text/plain",
    "application/vnd.apache.parquet", "application/x-www-form-urlencoded", "nonsense", "",
)  # fmt: skip
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, -1e308, 2**53 + 1, 2**64, -(2**63) - 1, 1e-320, "", "a", "\ud800", "\u0000", "NaN",
    [], {}, [[]], [[], [1]], [None], [[1], [1, 2]], {"a": 1}, "FP32", "BYTES", "INT64", [1] * 1000, "x" * 5000,
)  # fmt: skip
_BROKEN = (b"", b"{", b"[", b"null", b"NaN", b"{}", b"[]", b"\xff\xfe", b'"', b"[" * 5000, b'{"a":' * 2000, b"0" * 9999)


@dataclass(frozen=True)
class Odd:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


def odd_bodies(name: str, good: Any, count: int, seed: int) -> Iterator[Odd]:
    """``good``: JSON bodies that the service of that name takes, as values; each odd one is made of one of them."""
    dice = random.Random(seed)
    for _ in range(count):
        kind = dice.random()
        value = dice.choice(good)
        if kind < 0.5:
            body = json.dumps(_retyped(dice, value)).encode()
        elif kind < 0.7:
            body = _flipped(dice, json.dumps(value).encode())
        elif kind < 0.8:
            body = json.dumps(value).encode()[: dice.randrange(200)]
        elif kind < 0.9:
            body = dice.randbytes(dice.randrange(2000))
        else:
            body = dice.choice(_BROKEN)
        headers = {"content-type": "application/json" if dice.random() < 0.7 else dice.choice(_TYPES)}
        if dice.random() < 0.15:
            length = dice.choice(("0", "1", "-1", str(len(body)), str(len(body) + 1), "99999999999999999999", "x", "7"))
            headers["inference-header-content-length"] = length
        if dice.random() < 0.05:
            headers["content-encoding"] = dice.choice(("gzip", "deflate", "br", "zstd", "nonsense"))
        if dice.random() < 0.05:
            headers["accept"] = dice.choice((*_TYPES, "*/*;q=x"))
        yield Odd(dice.choice(_PATHS).format(name), headers, body)


def _retyped(dice: random.Random, value: Any) -> Any:
    """The same value with one to three places replaced, renamed, doubled or removed."""
    copy = deepcopy(value)
    for _ in range(dice.randrange(1, 4)):
        places = list(_places(copy))
        if not places:
            return _odd(dice)
        holder, key = dice.choice(places)
        what = dice.random()
        if what < 0.6:
            holder[key] = _odd(dice)
        elif what < 0.8:
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(key, holder[key])
        else:
            holder[dice.choice(("input", "x", "", "data", "shape", "\u0000"))] = holder.pop(key)
    return copy


def _odd(dice: random.Random) -> Any:
    return deepcopy(dice.choice(_ODD))  # lists would be changed in place later


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _flipped(dice: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(dice.randrange(1, 6)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)
