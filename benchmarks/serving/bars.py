"""The bars that our runtime has to take, read off the results. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.serving.results import OURS, Cell, Results, p99, rps
from benchmarks.serving.samples import Spread, number

TRITONS = ("Triton ×1", "Triton ×2")
OTHERS = ("KServe", "MLServer", "LitServe", "BentoML", "Ray Serve")
STREAMS = ("1x1", "1x16", "4x16")


@dataclass(frozen=True)
class Bar:
    """One demand and what came of it."""

    what: str
    measured: str
    wanted: str
    met: bool


def bars(results: Results) -> list[Bar]:
    """Those that the results have figures for."""
    return [
        *_against_triton(results),
        *_against_others(results),
        *_cnn_share(results),
        *_open(results),
        *_starts(results),
    ]


def _against_triton(results: Results) -> Iterator[Bar]:
    for model, wanted in (("iris", 3.0), ("mlp", 2.0), ("cnn", 1.2)):
        for kind in ("json", "binary"):
            yield from _ratio(results, Cell(model, kind, "c=16"), wanted)
    for model in ("iris", "mlp", "cnn"):
        for load in STREAMS:
            yield from _ratio(results, Cell(model, "grpc", load), 1.0)


def _ratio(results: Results, cell: Cell, wanted: float) -> Iterator[Bar]:
    best = results.best(cell, TRITONS)
    ratio = best and results.ratio(cell, best)
    if best and ratio:
        yield _at_least(f"{cell.model} {cell.kind} {cell.load}, against {best}", ratio, wanted)


def _against_others(results: Results) -> Iterator[Bar]:
    for peer in OTHERS:
        kind = "json beside Ray" if peer == "Ray Serve" else "json"
        ratio = results.ratio(Cell("iris", kind, "c=16"), peer)
        if ratio:
            yield _at_least(f"iris json c=16, against {peer}", ratio, 15.0)


def _at_least(what: str, ratio: Spread, wanted: float) -> Bar:
    return Bar(what, f"{ratio}×", f"≥ {wanted:g}×", ratio.median >= wanted)


def _cnn_share(results: Results) -> Iterator[Bar]:
    reached, limit = results.saturation("cnn", "binary", OURS), results.limits.get("cnn")
    if reached and limit:
        share = reached / Spread(limit).median
        yield Bar("cnn binary, of in-process ONNX Runtime", f"{share:.0%}", "≥ 75 %", share >= 0.75)


def _open(results: Results) -> Iterator[Bar]:
    for model in ("iris", "mlp", "cnn"):
        cell = Cell(model, "open", "70 %")
        there = results.of(cell)
        late = {who: results.median(cell, who, p99) for who in there if not any(s.errors for s in there[who])}
        best = min((who for who in late if who != OURS), key=lambda who: late[who], default=None)
        if OURS in late and best:
            rate = results.median(cell, best, rps)
            what = f"{model} p99 at 70 % of own saturation; the best peer is {best} ({number(rate)} rps)"
            yield Bar(what, f"{number(late[OURS])} ms", f"≤ {number(late[best])} ms", late[OURS] <= late[best])


def _starts(results: Results) -> Iterator[Bar]:
    if told := results.starts.get(OURS):
        seconds, resident = Spread([1000 * value for value in told["seconds"]]), Spread(told["rss"])
        yield Bar("iris: start to first right answer", f"{seconds} ms", "< 250 ms", seconds.median < 250)
        yield Bar("iris: resident memory", f"{resident} MB", "< 80 MB", resident.median < 80)
