"""Which fields of a descriptor name files on the user's own machine."""

from __future__ import annotations

import re
from typing import Any

from mlserve.descriptor.shapes import shape

PATH_FIELDS = ("model_path", "processor_path", "warm_up_data_path")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def local_paths(raw: dict[str, Any]) -> dict[str, str]:
    """JSON pointer → path, of the fields whose value is a plain local path: relative or absolute, no address.

    Raises InvalidDescriptor where ``raw`` is no object at all.
    """
    found = shape(raw)
    values = {name: found.values.get(name) for name in PATH_FIELDS}
    return {
        found.written[(name,)]: value
        for name, value in values.items()
        if isinstance(value, str) and value and not _SCHEME.match(value)
    }
