"""Convert one model: ``python -m mlserve.conversion JOB RESULT``, two JSON files. Ends with its parent, or in time."""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path

from mlserve.conversion.job import Job, convert

_PR_SET_PDEATHSIG = 1


def main(job: Path, result: Path) -> int:
    """Read the job, write the record."""
    sys.setrecursionlimit(20_000)  # trees nest
    told = json.loads(job.read_text())
    signal.alarm(int(told.pop("seconds", 600)))
    with suppress(OSError, AttributeError):  # elsewhere than on Linux the alarm alone ends it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    beside = result.with_suffix(".part")
    beside.write_text(json.dumps(convert(Job(**told))))
    beside.rename(result)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
