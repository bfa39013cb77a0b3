"""What a model's file says of itself, read and never run: formats, versions, inputs, damage."""

from __future__ import annotations

from mlserve.inspection.finding import Finding
from mlserve.inspection.looking import inspect

__all__ = ["Finding", "inspect"]
