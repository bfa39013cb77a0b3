"""Constants of a Python file, read without importing it: what it needs to run need not be installed to be known."""

from __future__ import annotations

import ast
from collections.abc import Collection
from pathlib import Path
from typing import Any


def constants(file: Path, names: Collection[str]) -> dict[str, Any]:
    """Those of the names that the file assigns literals to, at its top level; an annotation alone counts as ``()``."""
    values: dict[str, Any] = {}
    for node in ast.parse(file.read_text()).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id in names:
            values[target.id] = ast.literal_eval(node.value) if node.value else ()
    return values
