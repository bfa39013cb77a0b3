"""``python -I -S shim/__main__.py DIRECTORY``: the specification (JSON) on standard input, the lock as descriptor 3.

It outlives the hub that started it; whoever holds the lock finds a running shim behind it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[4]))  # isolated as it runs, it would not find its own package
    from mlserve.backends.local.shim.supervise import supervise

    try:
        supervise(Path(sys.argv[1]), json.loads(sys.stdin.buffer.read()))
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.errno)  # the hub reads it as the reason why nothing was started
