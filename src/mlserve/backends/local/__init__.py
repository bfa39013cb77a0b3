"""Instances as processes of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlserve.backends.local.backend import LocalBackend


def create(home: Path, options: Mapping[str, Any], hub: str = "") -> LocalBackend:
    """The backend of a resource group of this kind; it has no options."""
    from mlserve.backends.local.backend import LocalBackend
    from mlserve.errors import InvalidInput

    if options:
        raise InvalidInput(f"the local backend has no option {next(iter(options))!r}", hint="leave the options out")
    return LocalBackend(home)


def __getattr__(name: str) -> Any:
    # A shim imports this package for its own parts, with nothing but the standard library at hand.
    if name == "LocalBackend":
        from mlserve.backends.local.backend import LocalBackend

        return LocalBackend
    raise AttributeError(name)
