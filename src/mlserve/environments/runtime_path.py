"""The directory that makes mlserve's own runtime importable inside any environment."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


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
