"""EAS's ``POST /api/builtin/realtime_metrics``: metrics told by another program on this machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.observe.user_metrics import UserMetrics

_WANTED = '[{"name": "queue_length", "value": 3, "tags": {"kind": "text"}}]'
_MANY = 1000


def told(body: Any, metrics: UserMetrics) -> int:
    """Set a gauge for each item; how many. Raises InvalidInput, with nothing set, where one of them is wrong."""
    items = body if isinstance(body, list) else [body]
    if len(items) > _MANY:
        raise InvalidInput(f"{len(items)} metrics in one request; at most {_MANY} are taken")
    read = [_item(item) for item in items]
    try:
        gauges = [(metrics.labelled_gauge(name, tags), value) for name, value, tags in read]
    except ValueError as exc:
        raise InvalidInput(str(exc)) from None
    for gauge, value in gauges:
        gauge.set(value)
    return len(gauges)


def _item(item: Any) -> tuple[str, float, dict[str, str]]:
    if not isinstance(item, Mapping):
        raise InvalidInput(f"a metric is an object; came {item!r:.100}; wanted is {_WANTED}")
    name, value, tags = item.get("name"), item.get("value"), item.get("tags") or {}
    if not isinstance(name, str) or not name:
        raise InvalidInput(f'a metric wants a "name"; came {dict(item)!r:.200}; wanted is {_WANTED}')
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f'the metric "{name}" wants a number as its "value"; came {value!r:.100}')
    if not isinstance(tags, Mapping):
        raise InvalidInput(f'the "tags" of the metric "{name}" are an object of texts; came {tags!r:.100}')
    try:
        number = float(value)
    except OverflowError:
        raise InvalidInput(f'the "value" of the metric "{name}" is larger than any float') from None
    return _name(name), number, {_name(str(tag)): str(text) for tag, text in tags.items()}


def _name(word: str) -> str:
    """As Prometheus writes it: EAS takes other characters too."""
    word = re.sub(r"[^a-zA-Z0-9_]", "_", word)
    return f"_{word}" if word[:1].isdigit() else word
