"""The user's own HTTP server as an engine: ``command`` and ``port``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from mlserve.descriptor import Descriptor
from mlserve.engines import own_code
from mlserve.engines.base import Artifacts, Engine, Launch, resources
from mlserve.errors import Detail
from mlserve.workload import Workload

_HOST = re.compile(r"\$HOST\b|\$\{HOST\}")


class ProgramEngine:
    """Starts the command in the folder that ``processor_path`` names, with ``PORT`` in its environment."""

    live_path: ClassVar[str | None] = None
    http2: ClassVar[bool] = False
    checks: ClassVar[bool] = False
    open_docs: ClassVar[bool] = False
    web: ClassVar[bool] = True
    proof_paths: ClassVar[tuple[str, ...]] = ()
    packed: ClassVar[bool] = True

    def handles(self, descriptor: Descriptor) -> bool:
        return bool(descriptor.command) and not descriptor.containers

    def check(self, descriptor: Descriptor, *, contained: bool = False) -> Sequence[Detail]:
        return ()

    def requirements(self, descriptor: Descriptor, artifacts: Artifacts) -> tuple[str, ...]:
        return own_code.requirements(artifacts)

    def image(self, descriptor: Descriptor, options: Mapping[str, str]) -> str:
        return ""

    def workload(self, descriptor: Descriptor, artifacts: Artifacts, launch: Launch) -> Workload:
        environment = {variable.name: variable.value for variable in (*descriptor.processor_envs, *descriptor.env)}
        # `python` in the command means the interpreter that has the requirements.
        environment["PATH"] = f"{Path(launch.python).parent}:/usr/local/bin:/usr/bin:/bin"
        if model := artifacts.at("/model_path"):
            environment.setdefault("MODEL_PATH", model)
        return Workload(
            service=launch.service,
            version=launch.version,
            count=descriptor.metadata.instance,
            command=command(descriptor.command or "", launch.python, launch.host),
            environment={"PYTHONUNBUFFERED": "1", **environment},
            workdir=own_code.folder(artifacts),
            requirements=self.requirements(descriptor, artifacts),
            port=descriptor.port,
            resources=resources(descriptor),
            health_path=None,
            drain_seconds=descriptor.metadata.termination_grace_period,
            startup_seconds=descriptor.startup_timeout,
        )


def create() -> Engine:
    """The engine of this file."""
    return ProgramEngine()


def command(text: str, python: str, host: str = "127.0.0.1") -> tuple[str, ...]:
    """The words of a command line, without a shell.

    ``$PORT`` (or ``${PORT}``) becomes the instance's own port, ``$HOST`` the address to listen on: in a container all
    of its own, as from outside its loopback can't be reached; elsewhere ``127.0.0.1``, which nobody else reaches.
    """
    words = shlex.split(text)
    words = [word.replace("${PORT}", "{port}").replace("$PORT", "{port}") for word in words]
    words = [_HOST.sub(host, word) for word in words]
    return (python if words[:1] == ["{python}"] else words[0], *words[1:]) if words else ()
