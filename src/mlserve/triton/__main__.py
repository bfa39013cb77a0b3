"""``python -m mlserve.triton ARGUMENTS``: check what the server needs, leave the watcher behind, become the server."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from mlserve.triton.overlay import completed
from mlserve.triton.preflight import Unfit, require
from mlserve.triton.report import Report
from mlserve.triton.server import Server, find
from mlserve.triton.watching import Watch, leave_behind

CREDENTIALS = "triton_credentials.json"
"""The secret that holds the keys of model repositories which the server reads itself."""

VARIABLES = "environment.json"
"""The secret that holds variables of the user's which nobody else is to see."""


def main(arguments: list[str]) -> NoReturn:
    """Becomes the server, or ends with the status 1."""
    report = Report(os.environ.get("MLSERVE_REPORT"))
    report.phase("load", "running")
    try:
        server = find(Path.cwd())
        require(server, arguments)
    except Unfit as exc:
        report.failure("load", exc.cause, exc.reason, exc.hint)
        sys.stderr.write(f"{exc.reason}\n{exc.hint}\n")
        sys.exit(1)
    asked = completed(arguments, Path.cwd())
    leave_behind(Watch(os.getpid(), tuple(asked), report))
    command = [str(server.program), *server.arguments, *asked]
    os.execve(command[0], command, environment(server, os.environ))  # noqa: S606 - no shell is wanted


def environment(server: Server, given: os._Environ[str]) -> dict[str, str]:
    """What the server and the processes of its Python models get."""
    ours = ("PYTHONPATH", "MLSERVE_REPORT")
    environ = {name: value for name, value in given.items() if name not in ours}
    libraries = [str(path) for path in server.libraries]
    environ["LD_LIBRARY_PATH"] = ":".join([*libraries, *filter(None, [given.get("LD_LIBRARY_PATH")])])
    if secrets := given.get("MLSERVE_SECRETS"):
        credentials, variables = Path(secrets, CREDENTIALS), Path(secrets, VARIABLES)
        if credentials.is_file():
            environ["TRITON_CLOUD_CREDENTIAL_PATH"] = str(credentials)
        if variables.is_file():
            environ |= json.loads(variables.read_text())
    return environ


if __name__ == "__main__":
    main(sys.argv[1:])
