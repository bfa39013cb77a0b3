"""Tell which server a user's class was written for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.own_code.eas import EasProcessor
from mlserve.runtime.own_code.function import FunctionProcessor
from mlserve.runtime.processors.base import Arrays, Loaded, Processor


def foreign_processor(module: ModuleType, name: str, service: str, named: Callable[[Any], Arrays]) -> Loaded | None:
    """What runs the class or function of this name (``""``: the only one of its kind); None: it is written for us."""
    target = getattr(module, name, None) if name else None
    if inspect.isfunction(target):
        return FunctionProcessor(target, named)
    own = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__]
    candidates = [target] if inspect.isclass(target) else [] if name else own
    foreign = [cls for cls in candidates if _is_eas(cls) or _is_kserve(cls)]
    if not foreign or any(callable(getattr(c, "predict", None)) for c in candidates if c not in foreign):
        return None
    if len(foreign) > 1:
        names = ", ".join(cls.__name__ for cls in foreign)
        wish = f'"processor_entry": "{module.__name__}.py:{foreign[0].__name__}"'
        raise StartFailure("bad-entry", f"the file has {len(foreign)} classes that could be meant ({names})", wish)
    return _processor(foreign[0], service)


def _processor(cls: Any, service: str) -> Loaded:
    if _is_eas(cls):
        return EasProcessor(cls)
    from mlserve.runtime.own_code.kserve import KServeProcessor

    processor: Any = KServeProcessor(cls, service)  # its predict takes a context, as its metadata says
    loaded: Loaded = processor
    return loaded


def _is_eas(cls: Any) -> bool:
    able = callable(getattr(cls, "initialize", None)) and callable(getattr(cls, "process", None))
    return able and (_comes_from(cls, "allspark") or not callable(getattr(cls, "predict", None)))


def _is_kserve(cls: Any) -> bool:
    predict = getattr(cls, "predict", None)
    if not callable(predict) or issubclass(cls, Processor):
        return False
    if _comes_from(cls, "kserve") or _comes_from(cls, "kfserving"):
        return True
    parameters = [name for name in inspect.signature(predict).parameters if name != "self"]
    load = getattr(cls, "load", None)
    if load is None or _required(load):
        return load is None and "headers" in parameters
    return parameters[:1] == ["payload"] or "headers" in parameters


def _comes_from(cls: Any, package: str) -> bool:
    """One of its bases is of that package, or of our stand-in for it."""
    ours = f"mlserve.runtime.own_code.{package}_module"
    return any(base.__module__ == ours or base.__module__.split(".")[0] == package for base in cls.__mro__)


def _required(function: Any) -> list[str]:
    return [
        name
        for name, item in inspect.signature(function).parameters.items()
        if name != "self" and item.default is item.empty and item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
    ]
