"""What an instance is told in files that only it may read, instead of in an environment that others can see."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from mlserve.errors import InvalidInput

FOLDER = "MLSERVE_SECRETS"


def take_in(environment: MutableMapping[str, str]) -> None:
    """Add what the files in the folder MLSERVE_SECRETS say: variables, and parts of MLSERVE_RUNTIME.

    What is set after a program's start is not in its /proc/PID/environ, and never was in its container's settings.
    """
    folder = environment.get(FOLDER)
    if not folder:
        return
    environment.update(_read(Path(folder, "environment.json")))
    if parts := _read(Path(folder, "runtime.json")):
        environment["MLSERVE_RUNTIME"] = json.dumps({**json.loads(environment["MLSERVE_RUNTIME"]), **parts})


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise InvalidInput(
            f"the instance's secrets can't be read: {file}: {exc.strerror}",
            hint="the instance has to run as the user that mlserve gave the file to",
        ) from exc
