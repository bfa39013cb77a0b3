"""An instance's own Python environment: the current interpreter where that will do, else one built once and cached."""

from mlserve.environments.cache import Environment, ensure, prune
from mlserve.environments.key import INTERPRETER
from mlserve.environments.runtime_path import runtime_files, runtime_path
from mlserve.environments.sources import Sources, sources

__all__ = ["INTERPRETER", "Environment", "Sources", "ensure", "prune", "runtime_files", "runtime_path", "sources"]
