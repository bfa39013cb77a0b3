"""Give a processor the module of the server it was written for, where that is not installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_KSERVE = "mlserve.runtime.own_code.kserve_module"
MODULES = {
    "allspark": "mlserve.runtime.own_code.allspark_module",
    "kserve": _KSERVE,
    "kserve.errors": _KSERVE,
    "kserve.logging": _KSERVE,
    "kserve.model": _KSERVE,
    "kserve.model_server": _KSERVE,
    "kserve.protocol": _KSERVE,
    "kserve.protocol.infer_type": _KSERVE,
    "kserve.storage": _KSERVE,
    "kserve_storage": _KSERVE,
    "kserve.utils": _KSERVE,
    "kserve.utils.utils": _KSERVE,
    "kfserving": _KSERVE,
}
"""What a user imports → our module that has those names."""


class _StandIn(MetaPathFinder, Loader):
    """Asked last: a module that is really there wins."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname in MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        names = vars(importlib.import_module(MODULES[module.__name__]))
        vars(module).update({name: value for name, value in names.items() if not name.startswith("_")})
        for name in MODULES:
            if name.rpartition(".")[0] == module.__name__:
                importlib.import_module(name)  # `kserve.utils` is there after `import kserve`


def offer() -> None:
    """From now on these modules can be imported. Calling it again changes nothing."""
    if not any(isinstance(finder, _StandIn) for finder in sys.meta_path):
        sys.meta_path.append(_StandIn())
