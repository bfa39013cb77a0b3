"""XGBoost's own formats: JSON and UBJSON, and the binary one that newer versions no longer read."""

from __future__ import annotations

import json
import mmap
import struct
from pathlib import Path
from typing import Any

from mlserve.inspection import ubjson
from mlserve.inspection.finding import Finding, damaged

ORDER = 30
SUFFIXES = (".json", ".ubj", ".model", ".bst", ".xgb")
_MAX_JSON = 256 << 20
_OLD = (
    "it is in xgboost's old binary format, which xgboost 3.1 and later can't read: "
    "load it with an older version and save it as model.ubj"
)


def matches(head: bytes, suffix: str) -> bool:
    """By the way xgboost's files begin, or by suffix."""
    if head.startswith((b"binf", b"{L\x00")):
        return True
    begins = head.lstrip()[:1] == b"{" and b'"learner"' in head
    return suffix in SUFFIXES and (suffix in (".json", ".ubj") or begins or not head.startswith((b"\x80", b"tree")))


def read(path: Path) -> Finding:
    """What an xgboost model says."""
    with path.open("rb") as file:
        head = file.read(256)
    if head.startswith((b"{L", b"{i", b"{U", b"{$", b"{#")) or path.suffix.lower() == ".ubj":
        return _read_ubj(path)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" or path.suffix.lower() == ".json":
        return _read_json(path)
    if head.startswith(b"binf") or _is_old(head):
        return damaged("xgboost", _OLD)
    return Finding()


def _read_ubj(path: Path) -> Finding:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        try:
            value = ubjson.read(view)
        except ubjson.Broken as exc:
            return damaged("xgboost", f"the UBJSON file is damaged or cut off: {exc}")
        finally:
            view.release()
    return _finding(value) or damaged("xgboost", "it is UBJSON, but no xgboost model: there is no learner in it")


def _read_json(path: Path) -> Finding:
    if path.stat().st_size > _MAX_JSON:
        return Finding(format="xgboost", notes=("too large to be looked into: save it as .ubj",))
    try:
        value = json.loads(path.read_bytes())
    except json.JSONDecodeError as exc:
        return damaged(None, f"it is not whole JSON: {exc.msg.lower()} at line {exc.lineno}, column {exc.colno}")
    except (ValueError, RecursionError) as exc:
        return damaged(None, f"it is not JSON: {str(exc)[:80]}")
    return _finding(value) or Finding(notes=("JSON, but no xgboost model",))


def _finding(value: Any) -> Finding | None:
    learner = value.get("learner") if isinstance(value, dict) else None
    if not isinstance(learner, dict):
        return None
    numbers = value.get("version")
    count = _number(_member(learner, "learner_model_param", "num_feature"))
    names = learner.get("feature_names")
    facts = {
        "objective": _member(learner, "objective", "name"),
        "booster": _member(learner, "gradient_booster", "name"),
        "num_class": _number(_member(learner, "learner_model_param", "num_class")),
        "num_feature": count,
        "feature_names": names if isinstance(names, list) else [],
    }
    problems = () if isinstance(learner.get("gradient_booster"), dict) else ("the xgboost model has no trees in it",)
    shape = [-1, count] if count else [-1, -1]
    return Finding(
        format="xgboost",
        framework="xgboost",
        versions={"xgboost": ".".join(map(str, numbers))} if _is_version(numbers) else {},
        inputs=({"name": "input", "type": "float32", "shape": shape},),
        problems=problems,
        facts={name: fact for name, fact in facts.items() if fact},
    )


def _is_version(numbers: Any) -> bool:
    return isinstance(numbers, list) and 0 < len(numbers) <= 4 and all(type(number) is int for number in numbers)


def _member(owner: Any, *names: str) -> Any:
    for name in names:
        owner = owner.get(name) if isinstance(owner, dict) else None
    return owner


def _number(value: Any) -> int:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else 0


def _is_old(head: bytes) -> bool:
    """The bare form begins with the learner's parameters: base score, feature count, class count, two flags."""
    if len(head) < 20:
        return False
    score, features, classes, extra, metrics = struct.unpack("<fIiii", head[:20])
    plausible: bool = (
        -1e6 < score < 1e6 and 0 < features < 10**7 and 0 <= classes < 10**5 and extra in (0, 1) and metrics in (0, 1)
    )
    return plausible
