"""The serving program inside an instance, and what a processor of one's own imports from it.

    from mlserve.runtime import Processor, get_model_path

Light on purpose: a processor's file may be imported, linted and tested where numpy is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Processor
from mlserve.runtime.spec import get_model_path

if TYPE_CHECKING:
    from mlserve.runtime.observe.trace_context import current_trace

__all__ = ["InvalidInput", "Processor", "current_trace", "get_model_path"]


def __getattr__(name: str) -> Any:
    if name != "current_trace":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mlserve.runtime.observe.trace_context import current_trace  # wanted by few, and every instance starts here

    return current_trace
