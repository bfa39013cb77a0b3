"""Libraries that only some bodies need, loaded by the first of them."""

from __future__ import annotations

import importlib
from typing import Any

from mlserve.runtime.protocols.base import UnsupportedMedia


def library(module: str, package: str) -> Any:
    """The module; 415 that names the package where the instance's environment lacks it."""
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise UnsupportedMedia(
            f"this body needs {package}, which the instance lacks ({exc}); add it to the processor's requirements.txt"
        ) from None
