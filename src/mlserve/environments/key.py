"""The content key of an environment: same requirements on the same Python, same key. Pure: no I/O."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What an environment depends on besides its packages."""

    python: str
    """The interpreter that was asked for: a path, or a version for uv to find."""
    version: str = f"{sys.version_info.major}.{sys.version_info.minor}"
    machine: str = f"{sys.platform}-{platform.machine()}"


INTERPRETER = f"python {platform.python_version()} on {sys.platform}-{platform.machine()}"
"""The Python that environments are made with."""


def normalized(requirements: Sequence[str]) -> tuple[str, ...]:
    """The same requirements in one spelling and order, each once; lines that only uv understands stay as they are."""
    return tuple(sorted({_normal(line) for line in requirements if line.strip()}))


def key(requirements: Sequence[str], interpreter: Interpreter) -> str:
    """Twenty hex digits that stand for these requirements on this interpreter."""
    content = [normalized(requirements), interpreter.python, interpreter.version, interpreter.machine]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:20]


def _normal(line: str) -> str:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return line.strip()
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)
