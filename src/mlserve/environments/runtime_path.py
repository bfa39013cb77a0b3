"""The directory that makes mlserve's own runtime importable inside any environment."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_IN_INSTANCES = (
    "__init__.py", "context", "errors.py", "flow", "inspection", "management.py", "model_config.py", "predictor",
    "runtime", "transport.py",
)  # fmt: skip
"""All that the runtime imports of the package, and what a processor needs to ask other services."""


def runtime_files() -> Mapping[str, Path]:
    """What an instance needs of the package: path relative to a folder for PYTHONPATH → file or folder here."""
    return {f"mlserve/{name}": _PACKAGE / name for name in _IN_INSTANCES}


def runtime_path(home: Path) -> Path:
    """A directory for PYTHONPATH that holds nothing but a link to the installed mlserve package."""
    directory = home.absolute() / "runtime-path"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    link = directory / "mlserve"
    if not link.is_symlink() or Path(os.readlink(link)) != _PACKAGE:
        beside = directory.with_name(f".runtime-path.{secrets.token_hex(4)}")
        beside.symlink_to(_PACKAGE)
        beside.rename(link)
    return directory
