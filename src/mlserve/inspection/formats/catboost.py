"""CatBoost: .cbm and its JSON. Trees and tables of numbers: it runs no code."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

from mlserve.inspection.finding import Finding, damaged

ORDER = 12
SUFFIXES = (".cbm",)
_MAX_JSON = 256 << 20
_RELEASE = re.compile(rb"CatBoost release (\d+\.\d+(?:\.\d+)?)")
_LOSS = re.compile(rb'"loss_function":\{"type":"(\w{1,40})"')
_KEYS = (b'"features_info"', b'"oblivious_trees"', b'"ctr_data"')


def matches(head: bytes, suffix: str) -> bool:
    """By suffix or first bytes; JSON by its keys."""
    if suffix in SUFFIXES or head.startswith(b"CBM1"):
        return True
    return suffix in (".json", "") and head.lstrip()[:1] == b"{" and any(key in head for key in _KEYS)


def read(path: Path) -> Finding:
    """What a CatBoost model says."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.lstrip()[:1] == b"{":
        return _read_json(path)
    size = path.stat().st_size
    if len(head) < 8 or not head.startswith(b"CBM1"):
        return damaged("catboost", "it is no CatBoost model: it does not begin with CBM1")
    core = struct.unpack("<I", head[4:])[0]
    if core + 8 > size:
        return damaged("catboost", f"the CatBoost model is cut off: {core + 8} bytes are wanted, and there are {size}")
    with path.open("rb") as file:
        start = file.read(1 << 20)
    return _finding(_first(_RELEASE, start), _first(_LOSS, start.replace(b" ", b"")), [])


def _read_json(path: Path) -> Finding:
    if path.stat().st_size > _MAX_JSON:
        return Finding(format="catboost", notes=("too large to be looked into: save it as .cbm",))
    data = path.read_bytes()
    try:
        model = json.loads(data)
    except (ValueError, RecursionError) as exc:
        return damaged("catboost", f"the CatBoost model is damaged or cut off: {str(exc)[:80]}")
    info = model.get("features_info") if isinstance(model, dict) else None
    if not isinstance(info, dict):
        return damaged("catboost", "it is JSON, but no CatBoost model: there is no features_info in it")
    columns = [(item.get("flat_feature_index"), str(item.get("feature_id") or ""), kind)
               for kind in ("float_features", "categorical_features", "text_features")
               for item in info.get(kind) or () if isinstance(item, dict)]  # fmt: skip
    named = sorted((place, name or str(place), kind) for place, name, kind in columns if isinstance(place, int))
    return _finding(_first(_RELEASE, data), _loss(model), named)


def _finding(version: str, loss: str, columns: list[tuple[int, str, str]]) -> Finding:
    facts: dict[str, Any] = {"saved_with": f"catboost {version}".strip(), "objective": loss}
    numbers = columns and all(kind == "float_features" for _, _, kind in columns)
    inputs = [{"name": "input", "type": "float64", "shape": [-1, len(columns)]}] if numbers else [
        {"name": name, "type": "float64" if kind == "float_features" else "string", "shape": [-1, 1]}
        for _, name, kind in columns
    ]  # fmt: skip
    return Finding(
        format="catboost",
        framework="catboost",
        inputs=tuple(inputs),
        facts={
            name: fact for name, fact in (facts | {"feature_names": [name for _, name, _ in columns]}).items() if fact
        },
    )


def _loss(model: dict[str, Any]) -> str:
    """What it was trained for, deep in its parameters."""
    value: Any = model
    for name in ("model_info", "params", "loss_function", "type"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _first(pattern: re.Pattern[bytes], data: bytes) -> str:
    found = pattern.search(data)
    return found.group(1).decode() if found else ""
