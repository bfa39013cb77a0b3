"""Libraries that only some bodies need, loaded by the first of them."""

from __future__ import annotations

import importlib
from typing import Any

from mlserve.runtime.protocols.base import UnsupportedMedia


def library(module: str, package: str, wish: str = "") -> Any:
    """The module; 415 that names the package, or what else to ``wish`` for, where the environment lacks it."""
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        wish = wish or f"add {package} to the processor's requirements.txt"
        raise UnsupportedMedia(f"this needs {package}, which the instance lacks ({exc}); {wish}") from None
