"""What every program is told when it starts, wherever it runs. Pure: no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mlserve.backends import gpus
from mlserve.workload import Workload

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def told(workload: Workload, instance: str, port: int, report: str) -> dict[str, str]:
    """Environment of a program: our defaults, over them the workload's own, over both its port and its name."""
    threads = str(max(1, math.ceil(workload.resources.cpu)))
    return {
        **dict.fromkeys(THREADS, threads),
        **gpus.environment(workload.resources),
        **workload.environment,
        "PORT": str(port),
        "LISTENING_PORT": str(port),
        "MLSERVE_INSTANCE": instance,
        "MLSERVE_REPORT": report,
    }


def with_ports(command: Sequence[str], port: int, ports: Mapping[str, int]) -> list[str]:
    """A command with its ports in place of ``{port}`` and ``{NAME_port}``."""
    numbers = {"{port}": port, **{f"{{{name}_port}}": number for name, number in ports.items()}}
    return [_filled(argument, numbers) for argument in command]


def _filled(argument: str, numbers: Mapping[str, int]) -> str:
    for word, number in numbers.items():
        argument = argument.replace(word, str(number))
    return argument
