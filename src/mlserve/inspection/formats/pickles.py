"""Pickle and joblib, compressed or not: whose object it is, saved with which version, what loading it imports."""

from __future__ import annotations

from pathlib import Path

from mlserve.inspection import frames, ubjson
from mlserve.inspection.danger import dangerous
from mlserve.inspection.finding import Finding, damaged
from mlserve.inspection.machine import Broken, Made, Trace
from mlserve.inspection.opcodes import follow
from mlserve.inspection.streams import DAMAGE, Bounded, TooMuch, compression, opened

ORDER = 40
SUFFIXES = (".pkl", ".pickle", ".joblib", ".sav", ".z")
_SECONDS = 4.0
_REST = 1 << 24
_FAMILY = ("sklearn", "xgboost", "lightgbm", "catboost", "imblearn")
_PACKAGES = {"sklearn": "scikit-learn"}
_RUNS = "a pickle can run code when it is read"


def matches(head: bytes, suffix: str) -> bool:
    """By suffix, or by the opcode that begins pickles of protocol 2 and later, or by a compression that joblib uses."""
    begins = head[:1] == b"\x80" and len(head) > 1 and 2 <= head[1] <= 5
    return (
        suffix in SUFFIXES
        or begins
        or (bool(compression(head)) and suffix in (".gz", ".bz2", ".xz", ".lzma", ".lz4", ""))
    )


def read(path: Path) -> Finding:
    """What a pickle would import and make, found without loading it."""
    with path.open("rb") as file:
        kind = compression(file.read(64))
    trace, notes, problems = Trace(), [], []
    try:
        with opened(path, kind) as file:
            bounded = Bounded(file, seconds=_SECONDS)
            follow(bounded, trace)
            # To the end, where a compressed file keeps its checksum.
            bounded.skip(_REST if kind else 0)
    except TooMuch:
        notes.append(
            "compressed with lz4: not looked into"
            if kind == "lz4"
            else "too large to be read to its end: only its beginning is known"
        )
    except Broken as exc:
        problems.append(f"it is not a whole pickle: {exc}")
    except DAMAGE as exc:
        problems.append(f"its {kind or 'file'} data is damaged or cut off ({str(exc)[:80] or type(exc).__name__})")
    if problems and not trace.imports:
        return damaged("sklearn" if path.suffix.lower() in SUFFIXES else None, problems[0])
    return _finding(trace, notes, problems)


def _finding(trace: Trace, notes: list[str], problems: list[str]) -> Finding:
    modules = sorted({module for module, _ in trace.imports})
    own = sorted(name for module, name in trace.imports if module == "__main__")
    if own:
        notes.append(
            f"it needs {', '.join(own[:5])} from the script that saved it: move it into a module, and save again"
        )
    framework = _framework(trace, modules)
    found = dangerous(trace.imports)
    found = (*found, "a name that it computes") if trace.hidden else found
    return Finding(
        format="sklearn" if framework in _FAMILY else None,
        framework=framework,
        versions=_versions(trace),
        requirements=frames.requirements(modules, named_columns=trace.named_columns) if framework in _FAMILY else (),
        modules=tuple(modules),
        dangerous=found,
        runs_code=_RUNS + (f", and this one asks for {', '.join(found[:5])}, which few models need" if found else ""),
        problems=tuple(problems),
        notes=tuple(notes),
        facts={"class": f"{trace.root.module}.{trace.root.name}"} if isinstance(trace.root, Made) else {},
    )


def _framework(trace: Trace, modules: list[str]) -> str:
    if isinstance(trace.root, Made) and trace.root.module.partition(".")[0] in _FAMILY:
        return trace.root.module.partition(".")[0]
    tops = [module.partition(".")[0] for module in modules]
    return next((name for name in (*_FAMILY, "torch", "keras", "tensorflow", "statsmodels") if name in tops), "")


def _versions(trace: Trace) -> dict[str, str]:
    versions = {_PACKAGES["sklearn"]: trace.sklearn_version} if trace.sklearn_version else {}
    for raw in trace.raw:
        number = ubjson.version_in(raw)
        if number:
            versions["xgboost"] = number
    return versions
