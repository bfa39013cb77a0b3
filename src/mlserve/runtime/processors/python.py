"""The user's own class: ``processor_entry`` is ``file.py:Class`` in the folder ``processor_path``."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.own_code.finding import foreign_processor
from mlserve.runtime.own_code.metrics import offer_metrics
from mlserve.runtime.own_code.plain import PlainProcessor
from mlserve.runtime.own_code.stand_ins import offer
from mlserve.runtime.processors.base import Arrays, Context, Loaded, Metadata, Place, Processor, Tensor, declared

if TYPE_CHECKING:
    from concurrent.futures import Future

REQUIREMENTS: tuple[str, ...] = ()
SUFFIXES: tuple[str, ...] = ()
ALIASES: tuple[str, ...] = ()

_EXAMPLE = '"processor_entry": "processor.py:MyProcessor"'


def create(place: Place) -> PythonProcessor:
    return PythonProcessor(place)


class PythonProcessor:
    """Runs the user's file with its folder first on the import path, and hands arrays through."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._plain: PlainProcessor | None = None
        self._foreign: Loaded | None = None
        self._metadata = Metadata(open=True, trusted=False)

    def load(self, path: Path, config: dict[str, Any]) -> None:
        folder, file, name = _entry(self._place)
        sys.path.insert(0, str(folder))
        offer()  # `import allspark` and `import kserve` work
        module = import_file(folder / file)
        offer_metrics(module, self._place.metrics)
        self._foreign = foreign_processor(module, name, self._place.service, _named)
        if self._foreign is not None:
            self._foreign.load(path, config)
            self._metadata = self._foreign.metadata()
            return
        cls = _class(module, file, name)
        self._plain = PlainProcessor(cls(), _named)
        self._plain.load(path, config)
        self._metadata = self._plain.describe(_metadata(self._plain.told(), f"{file}:{cls.__name__}"))

    def metadata(self) -> Metadata:
        return self._metadata

    def predict(self, inputs: Arrays, *context: Context) -> Arrays:
        outputs: Arrays = self._one.predict(inputs, *context)
        return outputs

    def stream(self, inputs: Arrays, context: Context) -> Iterator[Arrays]:
        streaming: Any = self._one
        found: Iterator[Arrays] = streaming.stream(inputs, context)
        return found

    def start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        begun: Future[Any] = self._one.start(work)
        return begun

    async def answer(self, inputs: Arrays, *context: Context) -> Arrays:
        outputs: Arrays = await self._one.answer(inputs, *context)
        return outputs

    @property
    def _one(self) -> Any:
        return self._foreign if self._foreign is not None else self._plain


def import_file(file: Path) -> ModuleType:
    """The user's file as a module of its own name, so that pickles and its own imports find it. Read once."""
    known = next((module for name, module in _names(file) if getattr(module, "__file__", None) == str(file)), None)
    if known is not None:
        return known  # another step of the same pipeline
    name = next(name for name, module in _names(file) if module is None)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise StartFailure("bad-entry", f"{file.name} is not a Python file", _EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # half a module is none
        raise
    return module


def _names(file: Path) -> Iterator[tuple[str, ModuleType | None]]:
    """What its module may be called, and what is called so already: of equal names, later ones get a number."""
    yield file.stem, sys.modules.get(file.stem)
    for number in range(len(sys.modules)):
        name = f"processor_{file.stem}" + (f"_{number}" if number else "")
        yield name, sys.modules.get(name)


def _entry(place: Place) -> tuple[Path, str, str]:
    """Folder, file and class name (``""`` where left out); the file exists."""
    path = place.processor_path
    if path is None:
        raise StartFailure(
            "bad-entry", "a Python processor needs processor_path", 'add "processor_path": "./processor"'
        )
    if path.is_file():
        file, _, name = (place.processor_entry or path.name).partition(":")
        return path.parent, file if file.endswith(".py") else path.name, name or ("" if file.endswith(".py") else file)
    found = sorted(str(f.relative_to(path)) for f in path.rglob("*.py")) if path.is_dir() else []
    file, _, name = (place.processor_entry or "").partition(":")
    if not file and len(found) == 1:
        file = found[0]
    if file and not file.endswith(".py"):
        file = file.replace(".", "/") + ".py"
    if file and (path / file).resolve().is_relative_to(path.resolve()) and (path / file).is_file():
        return path, file, name
    wish = f"no file {file!r} in" if file else "processor_entry is not set, and no single file is in"
    raise StartFailure("bad-entry", f"{wish} {path.name}/ (found: {', '.join(found) or 'no Python file'})", _EXAMPLE)


def _class(module: ModuleType, file: str, name: str) -> type:
    own = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__]
    able = [cls for cls in own if _answers(cls)]
    functions = _functions(module)
    if name:
        cls = getattr(module, name, None)
        if not inspect.isclass(cls):
            choices = [*(cls.__name__ for cls in able or own), *functions]
            reason = f"{file} has no class or function {name} ({_listed(able or own, functions)})"
            raise StartFailure("bad-entry", reason, _meant(file, name, choices))
        if not _answers(cls):
            raise StartFailure("bad-entry", f"{file}:{name} has no method predict(inputs)", "write one")
        return cls
    named = [cls for cls in able if issubclass(cls, Processor)] or able
    if len(named) == 1:
        return named[0]
    count = "no class" if not named else f"{len(named)} classes"
    reason = f"{file} has {count} with a method predict(inputs) ({_listed(able or own, functions)})"
    raise StartFailure("bad-entry", reason, _meant(file, "", [cls.__name__ for cls in named] or functions))


def _functions(module: ModuleType) -> list[str]:
    found = inspect.getmembers(module, inspect.isfunction)
    return [name for name, one in found if one.__module__ == module.__name__ and not name.startswith("_")]


def _listed(classes: list[type], functions: list[str]) -> str:
    named = {"classes": [cls.__name__ for cls in classes], "functions": functions}
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in named.items() if names) or "it has neither"


def _meant(file: str, name: str, choices: list[str]) -> str:
    """How to name the one that was most likely meant."""
    import difflib  # only when something has failed

    folded = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(name.lower(), folded, n=1)
    found = folded[near[0]] if near else choices[0] if len(choices) == 1 else None
    if found is None:
        return f'name one of them: "processor_entry": "{file}:{choices[0]}"' if choices else _EXAMPLE
    return f'did you mean "processor_entry": "{file}:{found}"?'


def _answers(cls: type) -> bool:
    return callable(getattr(cls, "predict", None)) or callable(getattr(cls, "stream", None))


def _metadata(told: Any, entry: str) -> Metadata:
    if isinstance(told, Metadata):
        return told
    if told is None:
        return Metadata(open=True, trusted=False, platform="python")
    if not isinstance(told, Mapping):
        raise StartFailure(
            "load-exception",
            f"{entry}.metadata() gave {type(told).__name__}; an object with inputs and outputs is wanted",
        )
    inputs, outputs = (tuple(_tensor(item, entry) for item in told.get(side) or ()) for side in ("inputs", "outputs"))
    rows = bool(inputs) and all(tensor.shape and tensor.shape[0] == -1 for tensor in (*inputs, *outputs))
    return Metadata(inputs, outputs, "python", rows=rows, open=True, trusted=False)


def _tensor(item: Any, entry: str) -> Tensor:
    from mlserve.runtime.tensors import datatype_named

    try:
        datatype = datatype_named(str(item.get("datatype") or item.get("type") or ""))
        return Tensor(str(item["name"]), datatype, declared(item.get("shape")), bool(item.get("optional", False)))
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        wish = '{"name": "age", "type": "float", "shape": [-1, 1]}'
        raise StartFailure("load-exception", f"{entry}.metadata() has {item!r} ({exc}); wanted is {wish}") from exc


def _named(outputs: Any) -> Arrays:
    import numpy as np

    if not isinstance(outputs, Mapping):
        outputs = {"output": outputs}
    return {str(name): _array(np, value) for name, value in outputs.items()}


def _array(np: Any, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))
    if isinstance(value, str | bytes | Mapping) or value is None:
        return _boxed(np, value)
    if hasattr(value, "detach"):  # a torch tensor, whose gradient numpy refuses
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except ValueError:  # lists of unequal length are fine as JSON
        return _boxed(np, value)


def _boxed(np: Any, value: Any) -> Any:
    box = np.empty((), dtype=np.object_)
    box[()] = value
    return box
