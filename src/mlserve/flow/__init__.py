"""How the steps of a pipeline feed each other. Pure: the hub asks it of files, the runtime of loaded models."""

from __future__ import annotations

from mlserve.flow.connecting import connect
from mlserve.flow.ensembles import METHODS, combined
from mlserve.flow.nodes import ENSEMBLE, REQUEST, Flow, Mistake, Node, Port, Source, Wire

__all__ = [
    "ENSEMBLE", "METHODS", "REQUEST", "Flow", "Mistake", "Node", "Port", "Source", "Wire", "combined", "connect",
]  # fmt: skip
