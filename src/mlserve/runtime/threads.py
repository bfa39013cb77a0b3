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
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def threads_for(cpu: float) -> int:
    """Threads that one computation may use on this many cores: a started core counts as one."""
    return max(1, math.ceil(cpu - 1e-9))


def size_pools(cpu: float, environment: MutableMapping[str, str]) -> None:
    """Tell OpenMP and the BLAS libraries how many threads to start; what the user set himself stays."""
    for name in POOLS:
        environment.setdefault(name, str(threads_for(cpu)))
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning takes the core that the event loop needs


def keep_freed_memory() -> None:
    """Stop glibc from giving tensor buffers back and faulting them in again (11x on 600 KB bodies)."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # not on musl
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, 512 << 20)
        mallopt(_M_TOP_PAD, 1 << 20)


def allow_many_connections() -> None:
    """Take as many file descriptors as this process may have."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
