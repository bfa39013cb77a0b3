"""Call a user's function with as much as it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def accepting(function: Callable[..., Any], value: Any, **more: Any) -> Any:
    """``function(value)``, with those of ``more`` that it has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(item.kind is item.VAR_KEYWORD for item in parameters.values()):
        return function(value, **more)
    return function(value, **{name: given for name, given in more.items() if name in parameters})
