"""Choose the engine that a descriptor asks for: a file of this folder, or an entry point of other people's packages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points

from mlserve.descriptor import Descriptor
from mlserve.engines.base import Engine
from mlserve.engines.catalogue import resolve
from mlserve.errors import InvalidDescriptor

GROUP = "mlserve.engines"


def engine_of(descriptor: Descriptor) -> Engine:
    """The engine that a descriptor asks for; raises InvalidDescriptor."""
    for engine in engines():
        if engine.handles(descriptor):
            return engine
    if descriptor.processor:
        resolve(descriptor.processor)  # nobody has it: this says who there is
    message = "the descriptor names nothing to run: no processor, no processor_type, no command"
    raise InvalidDescriptor(
        message, hint='for a model file set "processor", for a server of your own "command" and "port"'
    )


@cache
def engines() -> Sequence[Engine]:
    """Every engine there is. No two handle the same descriptor, so that their order says nothing."""
    package = __name__.rpartition(".")[0]
    names = [item.name for item in pkgutil.iter_modules(importlib.import_module(package).__path__)]
    modules = [importlib.import_module(f"{package}.{name}") for name in names]
    ours = [module.create() for module in modules if hasattr(module, "create")]
    return (*ours, *(point.load()() for point in entry_points(group=GROUP)))
