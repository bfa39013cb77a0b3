"""The storage credentials of resource groups: a file each that only the hub's user can read, shown to nobody."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from mlserve.errors import InvalidInput

NAMES = re.compile(r"(AWS|OSS)_[A-Z0-9_]{1,60}")


class Vault:
    """Credentials below ``home``, by the name of the group."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def get(self, group: str) -> dict[str, str]:
        """A group's variables; empty where it has none."""
        try:
            return dict(json.loads(self._file(group).read_text()))
        except FileNotFoundError:
            return {}

    def put(self, group: str, variables: Mapping[str, str]) -> None:
        """Keep a group's variables, whole or not at all; raises InvalidInput for others than AWS_… and OSS_…."""
        wrong = sorted(name for name in variables if not NAMES.fullmatch(name))
        if wrong:
            raise InvalidInput(
                f"{', '.join(wrong)}: a group's credentials are variables that begin with AWS_ or OSS_",
                hint="what a program needs goes into the descriptor's processor_envs",
            )
        if not variables:
            self.delete(group)
            return
        file = self._file(group)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = file.with_suffix(f".{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            json.dump(dict(variables), opened)
        temporary.rename(file)

    def delete(self, group: str) -> None:
        """Forget them; there being none is no error."""
        self._file(group).unlink(missing_ok=True)

    def _file(self, group: str) -> Path:
        return self._home / group / "credentials.json"
