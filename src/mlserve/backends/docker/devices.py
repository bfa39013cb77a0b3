"""Which GPUs of an engine an instance gets, and how the engine is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlserve.backends.gpus import wants
from mlserve.workload import Resources


def device_requests(wanted: Resources, ids: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The ``DeviceRequests`` of a container: the GPUs that were picked, or as many as are asked for.

    The engine takes either names or a number, never both.
    """
    if not wants(wanted):
        return []
    which: dict[str, Any] = {"DeviceIDs": list(ids)} if ids else {"Count": wanted.gpu or 1}
    return [{"Driver": "", "Capabilities": [["gpu"]], "Options": {}, **which}]
