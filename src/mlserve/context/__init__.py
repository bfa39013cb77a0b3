"""Which hub is meant: one that was named, or the one of this machine."""

from __future__ import annotations

from mlserve.context.address import HOME_FORMAT, Address, find, home_directory, is_elsewhere

__all__ = ["HOME_FORMAT", "Address", "find", "home_directory", "is_elsewhere"]
