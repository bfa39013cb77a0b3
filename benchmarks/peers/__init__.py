"""Servers to compare with, one file each; `python -m benchmarks peers` measures them beside our runtime."""

from __future__ import annotations

from collections.abc import Sequence


def main(options: Sequence[str] = ()) -> None:
    from benchmarks.serving.comparison import main as compare  # which imports the peers of this package

    compare(options)
