"""Open a backend by its kind: a folder of this folder, or an entry point of other people's packages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from mlserve.backends.base import Backend
from mlserve.errors import InvalidInput

GROUP = "mlserve.backends"

Opener = Callable[[Path, Mapping[str, Any], str], Backend]
"""Takes the folder for what it keeps, its options, and the id of the hub that its instances belong to."""


def open_backend(kind: str, home: Path, options: Mapping[str, Any], hub: str = "") -> Backend:
    """The backend of a resource group, which keeps what it needs below ``home``; raises InvalidInput with the kinds.

    ``hub``: the id by which this hub's instances are told from those of others at the same place.
    """
    if kind not in kinds():
        raise InvalidInput(
            f'this hub has no backend "{kind}" (backends: {", ".join(kinds())})',
            hint=" or ".join(f"--backend {one}" for one in kinds()),
        )
    return kinds()[kind](home, options, hub)


@cache
def kinds() -> Mapping[str, Opener]:
    """Every kind of backend there is, each with what opens it; nothing of it is loaded before that."""
    package = __name__.rpartition(".")[0]
    folder = importlib.import_module(package).__path__
    ours = {item.name: _loaded(f"{package}.{item.name}") for item in pkgutil.iter_modules(folder) if item.ispkg}
    return {**{point.name: _pointed_at(point) for point in entry_points(group=GROUP)}, **ours}


def _loaded(module: str) -> Opener:
    return lambda home, options, hub: importlib.import_module(module).create(home, options, hub)


def _pointed_at(point: EntryPoint) -> Opener:
    return lambda home, options, hub: point.load()(home, options, hub)
