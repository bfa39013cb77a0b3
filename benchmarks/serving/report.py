"""Results as Markdown, ready for the README. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.serving.bars import bars
from benchmarks.serving.results import OURS, Cell, Results, cpu, p50, p99, rps
from benchmarks.serving.samples import Sample, Spread, number, spread

_KINDS = ("json", "binary", "json beside Ray", "grpc")


def report(results: Results) -> str:
    """All tables that there are figures for."""
    parts = [_loads(results, model) for model in _models(results)]
    parts += [_open(results), _starts(results), _bars(results)]
    if results.notes:
        parts.append("\n".join(f"* {note}" for note in results.notes))
    return "\n\n".join(part for part in parts if part)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; empty without rows."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines]) if lines else ""


def _models(results: Results) -> list[str]:
    return list(dict.fromkeys(cell.model for cell in results.samples))


def _loads(results: Results, model: str) -> str:
    parts = []
    for kind in _KINDS:
        loads = [cell.load for cell in results.samples if (cell.model, cell.kind) == (model, kind)]
        if loads:
            parts.append(_one_kind(results, model, kind, loads))
    if limit := results.limits.get(model):
        reached = 100 * max(results.saturation(model, kind, OURS) for kind in _KINDS) / Spread(limit).median
        parts.append(f"ONNX Runtime alone, in process: {Spread(limit)} rows/s; we reach {number(reached)} % of it.")
    return "\n\n".join(parts)


def _one_kind(results: Results, model: str, kind: str, loads: Sequence[str]) -> str:
    middle = Cell(model, kind, loads[len(loads) // 2])
    head = [f"{model}, {kind}", *loads, f"CPU µs/request, {middle.load}", f"we are faster, {middle.load}"]
    names = dict.fromkeys(who for load in loads for who in results.of(Cell(model, kind, load)))
    rows = [
        [f"**{who}**" if who == OURS else who]
        + [_cell(results.of(Cell(model, kind, load)).get(who)) for load in loads]
        + [_figure(results.of(middle).get(who)), _factor(results, middle, who)]
        for who in names
    ]
    return table(head, rows)


def _cell(samples: Sequence[Sample] | None) -> str:
    if not samples:
        return "–"
    errors = sum(sample.errors for sample in samples)
    said = f"{spread(samples, rps)} rps, {number(spread(samples, p50).median)}/{number(spread(samples, p99).median)} ms"
    return f"{said}, **{errors} errors**" if errors else said


def _figure(samples: Sequence[Sample] | None) -> str:
    return str(spread(samples, cpu)) if samples else "–"


def _factor(results: Results, cell: Cell, who: str) -> str:
    ratio = None if who == OURS else results.ratio(cell, who)
    return f"{ratio}×" if ratio else "–"


def _open(results: Results) -> str:
    rows = []
    for cell, by in results.samples.items():
        if cell.kind == "open":
            for who, samples in by.items():
                errors = sum(sample.errors for sample in samples)
                late = f"{spread(samples, p50)} / {spread(samples, p99)}"
                rows.append([cell.model, who, cell.load, number(spread(samples, rps).median), late, str(errors)])
    return table(["open arrivals, JSON", "server", "at", "rps", "p50 / p99 ms", "errors"], rows)


def _starts(results: Results) -> str:
    rows = [
        [
            who,
            f"{Spread([1000 * value for value in told['seconds']])}",
            str(Spread([1000 * value for value in told["cpu"]])),
            f"{number(Spread(told['rss']).median)} / {number(Spread(told['pss']).median)}",
            f"{Spread(told['processes']).median:.0f}",
        ]
        for who, told in results.starts.items()
    ]
    return table(["iris", "start → first right answer, ms", "CPU of it, ms", "RSS / PSS, MB", "processes"], rows)


def _bars(results: Results) -> str:
    rows = [[bar.what, bar.measured, bar.wanted, "met" if bar.met else "**missed**"] for bar in bars(results)]
    return table(["bar", "measured", "wanted", ""], rows)
