"""An object of the user's own class: plain, async or a generator, with or without the request's context."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlserve.runtime.own_code.coroutines import Coroutines
from mlserve.runtime.processors.base import Arrays, Context, Metadata, Processor

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class PlainProcessor:
    """Calls it as it is written, and gives arrays by name.

    Answers that come in parts are, for a client who wants one answer, put one after the other along their first axis.
    """

    def __init__(self, processor: Any, named: Callable[[Any], Arrays]) -> None:
        self._processor, self._named = processor, named
        self._predict: Any = getattr(processor, "predict", None)
        self._parts: Any = getattr(processor, "stream", None)
        if self._predict is None or getattr(self._predict, "__func__", None) is Processor.predict:
            self._predict = self._parts  # it answers in parts only
        elif self._parts is None and _generates(self._predict):
            self._parts = self._predict
        self._waits = inspect.iscoroutinefunction(self._predict)
        self._loop = Coroutines() if self._asynchronous() else None

    def load(self, path: Path, config: dict[str, Any]) -> None:
        if callable(getattr(self._processor, "load", None)):
            self._settled(self._processor.load(path, config))

    def told(self) -> Any:
        """What the user's ``metadata`` says, if there is one."""
        return self._processor.metadata() if callable(getattr(self._processor, "metadata", None)) else None

    def describe(self, metadata: Metadata) -> Metadata:
        """The metadata with what the methods themselves say."""
        return replace(
            metadata,
            streams=self._parts is not None,
            context=_takes_context(self._predict),
            concurrent=self._waits,
        )

    def predict(self, inputs: Arrays, *context: Context) -> Arrays:
        if _generates(self._predict):
            return together(list(self._each(self._predict, inputs, context)))
        return self._named(self._settled(self._predict(dict(inputs), *context)))

    def stream(self, inputs: Arrays, context: Context) -> Iterator[Arrays]:
        return self._each(self._parts, inputs, (context,) if _takes_context(self._parts) else ())

    def start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        assert self._loop  # noqa: S101 - made where predict is async
        return self._loop.start(work)

    async def answer(self, inputs: Arrays, *context: Context) -> Arrays:
        return self._named(await self._predict(dict(inputs), *context))

    def _each(self, function: Any, inputs: Arrays, context: tuple[Context, ...]) -> Iterator[Arrays]:
        parts = function(dict(inputs), *context)
        if self._loop is not None and hasattr(parts, "__anext__"):
            parts = self._loop.each(parts)
        try:
            for part in parts:
                yield self._named(part)
        finally:
            if (close := getattr(parts, "close", None)) is not None:
                close()

    def _settled(self, value: Any) -> Any:
        """A coroutine's result; anything else is one already."""
        if self._loop is not None and inspect.iscoroutine(value):
            return self._loop.start(value).result()
        return value

    def _asynchronous(self) -> bool:
        methods = (self._predict, self._parts, getattr(self._processor, "load", None))
        return any(inspect.iscoroutinefunction(m) or inspect.isasyncgenfunction(m) for m in methods)


def together(parts: list[Arrays]) -> Arrays:
    """Several answers as one: each output's values one after the other."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: _joined([part[name] for part in parts if name in part]) for name in names}


def _joined(arrays: list[Any]) -> Any:
    import numpy as np

    rows = [array[None] if array.ndim == 0 else array for array in arrays]
    if len({row.shape[1:] for row in rows}) == 1:
        return np.concatenate(rows)
    listed = np.empty(len(arrays), dtype=np.object_)  # of no common shape: a list of them
    listed[:] = [array.tolist() for array in arrays]
    return listed


def _generates(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _takes_context(function: Any) -> bool:
    """It wants a second argument, whatever that is called; one with a default is the user's own unless so named."""
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a callable of C has no signature to read
        return False
    taken = [p for p in parameters.values() if p.kind in _BY_POSITION]
    return len(taken) > 1 and (taken[1].default is inspect.Parameter.empty or taken[1].name == "context")
