"""What to measure: everything, or a quick look at some of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.models import NAMES

PEERS = ("triton", "kserve", "mlserver", "litserve", "bentoml", "ray")
SECTIONS = ("http", "grpc", "open", "ray", "start", "gateway")
KINDS = ("json", "binary")


@dataclass(frozen=True)
class Options:
    """The choice."""

    only: tuple[str, ...]
    """Peers beside ours."""
    models: tuple[str, ...]
    sections: tuple[str, ...]
    kinds: tuple[str, ...]
    connections: tuple[int, ...]
    rounds: int
    seconds: int
    out: Path | None

    def has(self, section: str) -> bool:
        return section in self.sections


def read(words: Sequence[str]) -> Options:
    """From the command line; a wrong word ends the program with the right ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers")
    parser.add_argument("--only", type=_some(PEERS), default=PEERS, help=f"some of {','.join(PEERS)}, or none")
    parser.add_argument("--models", type=_some(NAMES), default=NAMES, help=",".join(NAMES))
    parser.add_argument("--sections", type=_some(SECTIONS), default=SECTIONS, help=",".join(SECTIONS))
    parser.add_argument("--kinds", type=_some(KINDS), default=KINDS, help=",".join(KINDS))
    parser.add_argument("--connections", type=_numbers, default=(1, 16, 64))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1, help="of each run")
    parser.add_argument("--out", type=Path, help="a JSON file that takes all samples")
    return Options(**vars(parser.parse_args(list(words))))


def _some(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def split(text: str) -> tuple[str, ...]:
        words = tuple(word for word in text.split(",") if word and word != "none")
        if unknown := [word for word in words if word not in known]:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r} (there are: {', '.join(known)})")
        return words

    return split


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))
