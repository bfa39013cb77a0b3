"""LightGBM's text format: features, objective, and whether its end is there. Numbers and names: it runs no code."""

from __future__ import annotations

import os
from pathlib import Path

from mlserve.inspection.finding import Finding

ORDER = 11
SUFFIXES = (".txt", ".lgb", ".lgbm")
_HEADER = 16 << 20
_TAIL = 4 << 20


def matches(head: bytes, suffix: str) -> bool:
    """By its first two lines."""
    return head.startswith((b"tree\nversion=", b"tree\r\nversion="))


def read(path: Path) -> Finding:
    """What the header of a LightGBM model says."""
    with path.open("rb") as file:
        header = file.read(_HEADER).decode("utf-8", "replace")
        file.seek(max(0, os.path.getsize(path) - _TAIL))
        tail = file.read().decode("utf-8", "replace")
    lines = header.partition("\n\n")[0].splitlines()
    told = {key: value for key, is_set, value in (line.partition("=") for line in lines) if is_set}
    names = told.get("feature_names", "").split()
    problems = []
    if "end of trees" not in tail and "end of trees" not in header:
        problems.append('the LightGBM model is cut off: it has no "end of trees"')
    elif "\nparameters:" in tail and "end of parameters" not in tail:
        problems.append('the LightGBM model is cut off: it has no "end of parameters"')
    if not names:
        problems.append("the LightGBM model names no features")
    return Finding(
        format="lightgbm",
        framework="lightgbm",
        inputs=({"name": "input", "type": "float64", "shape": [-1, len(names)]},),
        problems=tuple(problems),
        facts={
            "objective": told.get("objective", ""),
            "num_class": int(told["num_class"]) if told.get("num_class", "").isdecimal() else 1,
            "feature_names": names[:4096],
        },
    )
