"""The words of the product: what a service.json may say, and how it is read.

Names are loaded when first used, so that reading a file or masking a secret does not cost pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlserve.descriptor.capabilities import BACKENDS, EVERYTHING, LOCAL
    from mlserve.descriptor.environment import EnvVar
    from mlserve.descriptor.fields import Sort
    from mlserve.descriptor.metadata import Metadata, Rpc
    from mlserve.descriptor.networking import Networking
    from mlserve.descriptor.parsing import Parsed, name_of, parse, resource_of
    from mlserve.descriptor.paths import is_path, local_paths, paths_of, read_elsewhere
    from mlserve.descriptor.pipeline import Step, node_of
    from mlserve.descriptor.reading import read_file, read_text
    from mlserve.descriptor.releasing import strategy_of
    from mlserve.descriptor.secrets import masked
    from mlserve.descriptor.service import Descriptor
    from mlserve.descriptor.setting import set_values

_HOMES = {
    "BACKENDS": "capabilities",
    "Descriptor": "service",
    "EVERYTHING": "capabilities",
    "EnvVar": "environment",
    "LOCAL": "capabilities",
    "Metadata": "metadata",
    "Networking": "networking",
    "Parsed": "parsing",
    "Rpc": "metadata",
    "Sort": "fields",
    "Step": "pipeline",
    "is_path": "paths",
    "local_paths": "paths",
    "masked": "secrets",
    "name_of": "parsing",
    "node_of": "pipeline",
    "parse": "parsing",
    "paths_of": "paths",
    "read_elsewhere": "paths",
    "read_file": "reading",
    "read_text": "reading",
    "resource_of": "parsing",
    "set_values": "setting",
    "strategy_of": "releasing",
}

__all__ = [
    "BACKENDS",
    "EVERYTHING",
    "LOCAL",
    "Descriptor",
    "EnvVar",
    "Metadata",
    "Networking",
    "Parsed",
    "Rpc",
    "Sort",
    "Step",
    "is_path",
    "local_paths",
    "masked",
    "name_of",
    "node_of",
    "parse",
    "paths_of",
    "read_elsewhere",
    "read_file",
    "read_text",
    "resource_of",
    "set_values",
    "strategy_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
