"""The serving program inside an instance, and what a processor of one's own imports from it.

    from mlserve.runtime import Processor, get_model_path

Light on purpose: a processor's file may be imported, linted and tested where numpy is not installed.
"""

from __future__ import annotations

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Processor
from mlserve.runtime.spec import get_model_path

__all__ = ["InvalidInput", "Processor", "get_model_path"]
