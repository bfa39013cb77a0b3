"""All samples of a comparison, found by what was measured. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.serving.samples import Sample, Spread, ratios, spread

OURS = "mlserve"


@dataclass(frozen=True)
class Cell:
    """One place in the tables."""

    model: str
    kind: str
    """json, binary, grpc, open …"""
    load: str
    """c=16, 4x16 …"""


@dataclass
class Results:
    """What was measured so far."""

    samples: dict[Cell, dict[str, list[Sample]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    limits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Rows a second of ONNX Runtime in process, by model."""
    starts: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By server: seconds to the first right answer and CPU seconds of it, resident MB, proportional MB, processes."""
    notes: list[str] = field(default_factory=list)

    def add(self, cell: Cell, who: str, sample: Sample) -> None:
        self.samples[cell][who].append(sample)

    def of(self, cell: Cell) -> dict[str, list[Sample]]:
        """By server; empty where the cell was not measured."""
        return dict(self.samples.get(cell, {}))

    def median(self, cell: Cell, who: str, of: Callable[[Sample], float]) -> float:
        return spread(self.samples[cell][who], of).median

    def best(self, cell: Cell, among: Iterable[str]) -> str | None:
        """Who answered most requests."""
        there = [who for who in among if self.samples.get(cell, {}).get(who)]
        return max(there, key=lambda who: self.median(cell, who, rps), default=None)

    def ratio(self, cell: Cell, peer: str) -> Spread | None:
        """Ours to a peer's requests a second, round by round."""
        there = self.of(cell)
        if not there.get(OURS) or not there.get(peer):
            return None
        return ratios([sample.rps for sample in there[OURS]], [max(sample.rps, 1e-9) for sample in there[peer]])

    def saturation(self, model: str, kind: str, who: str) -> float:
        """The most that a server answered in a second, at any number of connections."""
        cells = [cell for cell in self.samples if (cell.model, cell.kind) == (model, kind)]
        return max((self.median(cell, who, rps) for cell in cells if self.samples[cell].get(who)), default=0.0)

    def take(self, other: Results, kind: str, name: str) -> None:
        """Another comparison's cells of one kind, under another name."""
        for cell, by in other.samples.items():
            if cell.kind == kind:
                self.samples[Cell(cell.model, name, cell.load)] = by

    def save(self, path: Path) -> None:
        """Everything as JSON, for later questions."""
        samples: list[dict[str, Any]] = [
            {**asdict(cell), "server": who, "samples": [asdict(sample) for sample in given]}
            for cell, by in self.samples.items()
            for who, given in by.items()
        ]
        told = {"samples": samples, "limits": self.limits, "starts": self.starts, "notes": self.notes}
        path.write_text(json.dumps(told, indent=1))


def rps(sample: Sample) -> float:
    return sample.rps


def p50(sample: Sample) -> float:
    return sample.p50


def p99(sample: Sample) -> float:
    return sample.p99


def cpu(sample: Sample) -> float:
    return sample.cpu
