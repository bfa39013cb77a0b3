"""Where models and code come from: the content store, and fetching by URI scheme."""

from __future__ import annotations

from mlserve.storage.base import FetchOptions, Limits, Progress, Scheme
from mlserve.storage.content import Content, ContentStore
from mlserve.storage.schemes import fetch

__all__ = ["Content", "ContentStore", "FetchOptions", "Limits", "Progress", "Scheme", "fetch"]
