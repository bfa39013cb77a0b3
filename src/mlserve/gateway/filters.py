"""What single routes say to the listener's filters, as Envoy reads it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEY = "typed_per_filter_config"


def with_filters(routes: list[dict[str, Any]], found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The routes, each saying this to the filters that it names, beside what it says already."""
    return [each | {_KEY: each.get(_KEY, {}) | found} for each in routes]
