"""Open a backend by its kind: a file of this folder, or an entry point of other people's packages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mlserve.backends.base import Backend
from mlserve.errors import InvalidInput

GROUP = "mlserve.backends"

Opener = Callable[[Path, Mapping[str, Any]], Backend]


def open_backend(kind: str, home: Path, options: Mapping[str, Any]) -> Backend:
    """The backend of a resource group, which keeps what it needs below ``home``; raises InvalidInput with the kinds."""
    if kind not in kinds():
        raise InvalidInput(
            f'this hub has no backend "{kind}" (backends: {", ".join(kinds())})',
            hint="name one of these: --backend local",
        )
    return kinds()[kind](home, options)


@cache
def kinds() -> Mapping[str, Opener]:
    """Every kind of backend there is, each with what opens it."""
    package = __name__.rpartition(".")[0]
    names = [item.name for item in pkgutil.iter_modules(importlib.import_module(package).__path__)]
    modules = {name: importlib.import_module(f"{package}.{name}") for name in names}
    ours = {name: module.create for name, module in modules.items() if hasattr(module, "create")}
    return {**{point.name: point.load() for point in entry_points(group=GROUP)}, **ours}
