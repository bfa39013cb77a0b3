"""A home of its own for each benchmark, ended with everything in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def fresh_home(environments: Path | None = None) -> Iterator[Path]:
    """MLSERVE_HOME set to a new directory; with ``environments`` its environment cache is that one (a warm cache)."""
    before = {name: os.environ.pop(name, None) for name in ("MLSERVE_HOME", "MLSERVE_HUB", "MLSERVE_TOKEN")}
    with tempfile.TemporaryDirectory(prefix="mlserve-bench-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        if environments:
            (home / "environments").symlink_to(environments)
        os.environ["MLSERVE_HOME"] = directory
        os.environ["MLSERVE_GATEWAY"] = "127.0.0.1:0"
        try:
            yield home
        finally:
            mlserve("hub", "stop", "--all", check=False)
            os.environ.pop("MLSERVE_HOME")
            os.environ.update({name: value for name, value in before.items() if value is not None})


def mlserve(*words: str, check: bool = True) -> str:
    """Run the command line as a user would and give back what it printed."""
    done = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if check and done.returncode:
        raise SystemExit(f"mlserve {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


PROGRAM = (str(Path(sys.executable).parent / "mlserve"),)
