"""``model_config``, which a descriptor may write as an object or as text: one reading of it for hub and instances."""

from __future__ import annotations

import json
from typing import Any


def as_object(config: Any) -> dict[str, Any]:
    """A ``model_config`` as an object; text that is not JSON is under ``"text"``."""
    value = config
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except ValueError:
            value = {"text": value}
    return value if isinstance(value, dict) else {} if value is None else {"value": value}
