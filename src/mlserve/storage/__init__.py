"""Where models and code come from: the content store, and fetching by URI scheme."""

from __future__ import annotations

from mlserve.storage.base import FetchOptions, Limits, Progress, Scheme
from mlserve.storage.cache import Cache, bound_of
from mlserve.storage.content import Content, ContentStore
from mlserve.storage.fingerprint import fingerprint
from mlserve.storage.meter import Meter
from mlserve.storage.schemes import check, fetch, mark, put
from mlserve.storage.uploaded import address_of

__all__ = [
    "Cache",
    "Content",
    "ContentStore",
    "FetchOptions",
    "Limits",
    "Meter",
    "Progress",
    "Scheme",
    "address_of",
    "bound_of",
    "check",
    "fetch",
    "fingerprint",
    "mark",
    "put",
]
