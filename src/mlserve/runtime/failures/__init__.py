"""Why a start failed, in words its user can act on. What explains it is imported only once something has failed."""

from mlserve.runtime.failures.explanation import StartFailure, explain, running_versions

__all__ = ["StartFailure", "explain", "running_versions"]
