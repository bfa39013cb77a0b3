"""Find the server: in the wheel of this environment, else where NVIDIA's image has it. Lay out its backends."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mlserve.triton.overlay import folder
from mlserve.triton.preflight import Unfit

_IMAGE = Path("/opt/tritonserver/bin/tritonserver")


@dataclass(frozen=True)
class Server:
    """A server program and what it needs around it."""

    program: Path
    arguments: tuple[str, ...] = ()
    libraries: tuple[Path, ...] = ()
    stub: Path | None = None
    """What runs a Python model, where we brought it; an image has its own."""


def find(workdir: Path) -> Server:
    """The server of this environment; raises Unfit."""
    spec = find_spec("pytriton")
    if spec is not None and spec.origin:
        return _of_wheel(Path(spec.origin).parent, workdir)
    if _IMAGE.is_file():
        return Server(_IMAGE)
    if found := shutil.which("tritonserver"):
        return Server(Path(found))
    raise Unfit(
        "missing-library",
        "there is no tritonserver here: neither the wheel nvidia-pytriton nor an image of NVIDIA's",
        "name an image that has it: triton_image of the resource group",
    )


def _of_wheel(package: Path, workdir: Path) -> Server:
    parts = package / "tritonserver"
    number = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = parts / "python_backend_stubs" / number / "triton_python_backend_stub"
    if not stub.is_file():
        known = sorted(path.name for path in stub.parents[1].iterdir())
        raise Unfit(
            "version-mismatch",
            f"this server runs Python models on Python {', '.join(known)}, and this environment is Python {number}",
            "run the hub with one of those, or use a Docker group",
        )
    backends = _backends(parts / "backends", stub, workdir)
    libraries = (package.parent / "nvidia_pytriton.libs", Path(sysconfig.get_config_var("LIBDIR") or "/usr/local/lib"))
    ours = (f"--backend-directory={backends}", f"--cache-directory={parts / 'caches'}")
    return Server(parts / "bin" / "tritonserver", ours, libraries, stub)


def _backends(wheel: Path, stub: Path, workdir: Path) -> Path:
    """The wheel's backends, with the stub where the Python one looks for it: links, since the wheel is shared."""
    backends = folder(workdir, "backends-")
    for backend in sorted(wheel.iterdir()):
        (backends / backend.name).mkdir()
        for file in sorted(backend.iterdir()):
            (backends / backend.name / file.name).symlink_to(file)
    (backends / "python" / stub.name).symlink_to(stub)
    return backends
