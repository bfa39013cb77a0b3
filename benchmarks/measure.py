"""Times side by side: candidates in turn, medians with their spread, and the conditions they were taken under."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds of one candidate's rounds."""

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        low, middle, high = (1000 * value for value in (min(self.seconds), self.median, max(self.seconds)))
        return f"{middle:.0f} ms [{low:.0f}–{high:.0f}]"


def alternate(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Run the candidates in turn, after one round that does not count; the order rotates with each round."""
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            began = time.perf_counter()
            candidates[name]()
            if number:
                taken[name].append(time.perf_counter() - began)
    return {name: Times(seconds) for name, seconds in taken.items()}


def ratio(above: Times, below: Times) -> str:
    """The median of the ratios round by round, with their spread: a drift of the machine cancels out."""
    ratios = sorted(a / b for a, b in zip(above.seconds, below.seconds, strict=True))
    return f"{statistics.median(ratios):.1f}× [{ratios[0]:.1f}–{ratios[-1]:.1f}]"


def command(*words: str, environment: Mapping[str, str] | None = None) -> Callable[[], object]:
    """A program to time, its output thrown away; one that fails ends the benchmark."""
    env = {**os.environ, **(environment or {})}
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    return lambda: subprocess.run(words, check=True, env=env, **quiet)


def conditions() -> str:
    """The machine and the interpreter, in a line."""
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} cores, {_processor()}, {system}, Python {platform.python_version()}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
