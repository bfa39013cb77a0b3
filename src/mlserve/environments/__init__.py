"""An instance's own Python environment: the current interpreter where that will do, else one built once and cached."""

from mlserve.environments.cache import Environment, ensure, prune
from mlserve.environments.runtime_path import runtime_path

__all__ = ["Environment", "ensure", "prune", "runtime_path"]
