"""``python -m mlserve.runtime``: size the threads, then import what counts them, then serve."""

from __future__ import annotations

import os
import sys
from typing import TextIO, cast

from mlserve.runtime.secret_files import take_in
from mlserve.runtime.spec import current_spec
from mlserve.runtime.threads import allow_many_connections, keep_freed_memory, size_pools


def main() -> int:
    """Serve what MLSERVE_RUNTIME says; see `mlserve.runtime.serve.run` for the exit status."""
    take_in(os.environ)
    spec = current_spec()
    size_pools(spec.cpu, os.environ)
    keep_freed_memory(spec.memory_mb << 20)
    allow_many_connections()
    for stream in (sys.stdout, sys.stderr):
        cast("TextIO", stream).reconfigure(line_buffering=True)  # type: ignore[attr-defined]
    from mlserve.runtime.serve import run  # numpy counts threads when it is imported

    return run(spec)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a user's thread that never ends must not keep the process
