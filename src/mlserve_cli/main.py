"""The program ``mlserve``: help and version are said at once, with nothing imported; all else is for `program`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from mlserve_cli.catalogue import root_help


def run() -> None:
    """The program ``mlserve``."""
    code = 0
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read our output has gone; Python would complain about it once more while it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code."""
    if "_MLSERVE_COMPLETE" in os.environ:
        return _completion("complete", arguments)
    if not arguments or arguments[0] in ("--help", "-h"):
        sys.stdout.write(root_help())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        return _version()
    if arguments[0] in ("--show-completion", "--install-completion"):
        return _completion("script", arguments)
    # imported here, so that all of the above stays instant
    from mlserve_cli.program import invoke

    return invoke(arguments)


def _completion(what: str, arguments: Sequence[str]) -> int:
    from mlserve_cli import completion, program

    return program.guarded(lambda: getattr(completion, what)(arguments), as_json=False)


def _version() -> int:
    from mlserve import __version__

    sys.stdout.write(f"mlserve {__version__}\n")
    return 0


if __name__ == "__main__":
    run()
