"""skops: a zip archive whose schema.json says what it holds."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from mlserve.inspection import frames
from mlserve.inspection.danger import dangerous
from mlserve.inspection.finding import Finding, damaged
from mlserve.inspection.machine import NAMED_COLUMNS

ORDER = 10
SUFFIXES = (".skops",)
_MAX_SCHEMA = 64 << 20


def matches(head: bytes, suffix: str) -> bool:
    """By suffix, or a zip archive with a schema.json near its beginning or under a pickle's suffix."""
    return suffix in SUFFIXES or (head.startswith(b"PK\x03\x04") and (b"schema.json" in head or suffix in (".pkl", "")))


def read(path: Path) -> Finding:
    """What a skops file says."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path.suffix.lower() in SUFFIXES)
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        KeyError,
    ) as exc:
        return damaged("sklearn", f"it is not a whole skops file: {str(exc)[:100]}")


def _read(archive: zipfile.ZipFile, certain: bool) -> Finding:
    names = archive.namelist()
    if "schema.json" not in names:
        if certain:
            return damaged("sklearn", "it is not a skops file: there is no schema.json in it")
        torch = any(name.endswith("/data.pkl") for name in names)
        return Finding(
            framework="torch" if torch else "", notes=("a PyTorch archive",) if torch else ("a zip archive",)
        )
    if archive.getinfo("schema.json").file_size > _MAX_SCHEMA:
        return damaged("sklearn", "its schema.json is larger than any model's")
    try:
        schema = json.loads(archive.read("schema.json"))
    except RecursionError as exc:
        raise ValueError("its schema.json is nested too deep") from exc
    imports, versions, named = _walk(schema)
    modules = tuple(sorted({module for module, _ in imports}))
    return Finding(
        format="sklearn",
        framework="sklearn",
        versions=versions,
        requirements=frames.requirements(modules, named_columns=named),
        modules=modules,
        dangerous=dangerous(imports),
        facts=_facts(schema) if isinstance(schema, dict) else {},
    )


def _facts(schema: dict[str, Any]) -> dict[str, str]:
    """skops is not among the versions to install: a newer one reads older files, and guards better against them."""
    saved = schema.get("_skops_version")
    told = {"saved_with": f"skops {saved[:30]}"} if isinstance(saved, str) else {}
    return {"class": f"{schema.get('__module__')}.{schema.get('__class__')}", **told}


def _walk(schema: Any) -> tuple[set[tuple[str, str]], dict[str, str], bool]:
    """What it imports, the versions it tells, and whether an estimator was fitted with columns that have names."""
    imports: set[tuple[str, str]] = set()
    versions: dict[str, str] = {}
    named = False
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            named |= NAMED_COLUMNS in node
            if isinstance(node.get("__module__"), str) and isinstance(node.get("__class__"), str):
                imports.add((node["__module__"], node["__class__"]))
            version = node.get("_sklearn_version")
            if isinstance(version, dict) and isinstance(version.get("content"), str):
                versions.setdefault("scikit-learn", version["content"].strip('"'))
    return imports, versions, named
