"""Size the thread pools and the allocator of this process, before numpy or a model library is imported."""

from __future__ import annotations

import ctypes
import math
import resource
import sys
from collections.abc import MutableMapping

POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
)
_KEPT_SHARE, _USUAL = 16, 16 << 20
"""Of a process's memory, what is kept at once of what was freed, and the least that is."""
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def threads_for(cpu: float) -> int:
    """Threads that one computation may use on this many cores: a started core counts as one."""
    return max(1, math.ceil(cpu - 1e-9))


def size_pools(cpu: float, environment: MutableMapping[str, str]) -> None:
    """Tell OpenMP and the BLAS libraries how many threads to start; what the user set himself stays."""
    for name in POOLS:
        environment.setdefault(name, str(threads_for(cpu)))
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning takes the core that the event loop needs


def keep_freed_memory(memory: int) -> None:
    """Stop glibc from giving tensor buffers back and faulting them in again (11x on 600 KB bodies).

    ``memory``: bytes that the process may use (0: not known). What is large for it is given back all the same.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # not on musl
        most = max(memory // _KEPT_SHARE, _USUAL) if memory else 1 << 30
        mallopt(_M_MMAP_THRESHOLD, min(most, 1 << 30))
        mallopt(_M_TRIM_THRESHOLD, min(most, 512 << 20))
        mallopt(_M_TOP_PAD, 1 << 20)


def allow_many_connections() -> None:
    """Take as many file descriptors as this process may have."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
