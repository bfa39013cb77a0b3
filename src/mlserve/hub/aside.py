"""Slow work in a thread of its own, for the hub's own files, too."""

from mlserve.backends.aside import aside

__all__ = ["aside"]
