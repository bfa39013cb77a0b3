"""Build a virtual environment with uv, whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from mlserve.environments import failure
from mlserve.environments.indexes import pip_configuration, uv_environment
from mlserve.errors import EnvironmentFailed

Progress = Callable[[str], None]
_NOISE = ("Using ", "Creating virtual environment", "Activate with")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build."""

    requirements: tuple[str, ...]
    python: str
    offline: bool = False
    lock: int = -1
    """A locked descriptor that uv inherits: the lock holds until uv ends, even where the hub is killed."""
    preferred: tuple[str, ...] = ()
    """``name==version`` of what lies in wheel folders: taken wherever the requirements allow it."""


async def build(plan: Plan, directory: Path, progress: Progress) -> tuple[str, ...]:
    """Make an environment in ``directory`` and return all that is installed in it; raises EnvironmentFailed.

    Without network it is tried again with what is in uv's cache. Cancelled or failed, it leaves nothing.
    """
    complete = False
    try:
        resolved = await _build(plan, directory, progress)
        complete = True
        return resolved
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise failure.failed("no space left on device", plan.requirements, str(directory), offline=False) from exc
        raise EnvironmentFailed(
            f"the environment can't be built: {exc}", hint="see that the home can be written"
        ) from exc
    finally:
        if not complete:
            shutil.rmtree(directory, ignore_errors=True)


async def _build(plan: Plan, directory: Path, progress: Progress) -> tuple[str, ...]:
    shutil.rmtree(directory, ignore_errors=True)
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Relocatable, since it gets its own name only when it is complete.
    venv = ["venv", "--relocatable", "--no-project", "--python", plan.python, "--prompt", "mlserve", str(directory)]
    await _checked(venv, plan, progress)
    file = directory / "requirements.txt"
    file.write_text("\n".join(plan.requirements) + "\n")
    python = str(directory / "bin" / "python")
    if plan.preferred:
        file = await _resolved(plan, python, file, progress)
    await _checked(["pip", "install", "--python", python, "--requirement", str(file)], plan, progress)
    freeze = ["pip", "freeze", "--python", python]
    return tuple((await _checked(freeze, plan, progress)).split("\n")[:-1])


async def _resolved(plan: Plan, python: str, file: Path, progress: Progress) -> Path:
    """The versions to install: uv keeps to those it finds in its output file, where nothing forbids them."""
    pins = file.with_name("resolved.txt")
    pins.write_text("\n".join(plan.preferred) + "\n")
    resolve = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", python]
    await _checked([*resolve, "--output-file", str(pins), str(file)], plan, progress)
    return pins


async def _checked(arguments: Sequence[str], plan: Plan, progress: Progress) -> str:
    offline = ["--offline"] if plan.offline else []
    status, output, errors = await _uv([*arguments, *offline], plan, progress)
    if status and not offline and failure.is_network(errors):
        progress("no network: trying what is in the cache")
        offline = ["--offline"]
        status, output, again = await _uv([*arguments, *offline], plan, progress)
        errors = again or errors
    if status:
        raise failure.failed(errors, plan.requirements, str(Path(arguments[-1]).parent), offline=bool(offline))
    return output


async def _uv(arguments: Sequence[str], plan: Plan, progress: Progress) -> tuple[int, str, str]:
    environ = uv_environment(os.environ, pip_configuration())
    process = await asyncio.create_subprocess_exec(
        find_uv_bin(), *arguments, env=environ, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True,
        pass_fds=[plan.lock] if plan.lock >= 0 else [],
    )  # fmt: skip
    if process.stdout is None or process.stderr is None:
        raise AssertionError("both are pipes")
    try:
        output, errors = await asyncio.gather(process.stdout.read(), _lines(process.stderr, progress))
        return await process.wait(), output.decode(errors="replace"), errors
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _lines(stream: asyncio.StreamReader, progress: Progress) -> str:
    seen = []
    while line := await stream.readline():
        text = line.decode(errors="replace").rstrip()
        if not text.startswith(_NOISE):
            seen.append(text)
            progress(text)
    return "\n".join(seen)
