"""The SDK: collections with get, list and create; objects with reload and wait."""

from __future__ import annotations

from mlserve.client.client import Client, connect
from mlserve.client.logs import Log, LogLine
from mlserve.client.service import Service
from mlserve.client.services import Services
from mlserve.client.tables import Table
from mlserve.client.trial import Trial

__all__ = ["Client", "Log", "LogLine", "Service", "Services", "Table", "Trial", "connect"]
