"""The runs: cell after cell, the servers in turn, the order rotating with each round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.peers.base import Peer
from benchmarks.serving import grpc_load, open_load
from benchmarks.serving.answers import Wrong
from benchmarks.serving.http_load import Count
from benchmarks.serving.lineup import Contender, serving
from benchmarks.serving.models import Model
from benchmarks.serving.results import OURS, Cell, Results
from benchmarks.serving.samples import rotated

CONNECTIONS = 64
SHARE = 0.7
STREAMS = ((1, 1), (1, 16), (4, 16))
_LIMIT = Path(__file__).with_name("in_process.py")


def closed_loops(
    there: Sequence[Contender], kinds: Iterable[str], loads: Iterable[int], rounds: int, seconds: int, results: Results
) -> None:
    """HTTP, each format at each number of connections."""
    cells = [(kind, connections) for kind in kinds for connections in loads]
    for number in range(rounds):
        for kind, connections in cells:
            cell = Cell(there[0].model.name, kind, f"c={connections}")
            able = [contender for contender in there if kind in contender.peer.formats]

            def load(one: Contender, k: str = kind, c: int = connections) -> Count:
                return one.closed(k, c, seconds)

            _turns(able, number, cell, load, results)


def grpc_loops(there: Sequence[Contender], python: Path, rounds: int, seconds: int, results: Results) -> None:
    """gRPC, for those that answer it rightly."""
    sizes = {one.name: _answers_grpc(one, python, results) for one in there if "grpc" in one.peer.formats}
    able = [one for one in there if sizes.get(one.name)]
    for number in range(rounds):
        for connections, streams in STREAMS:
            cell = Cell(there[0].model.name, "grpc", f"{connections}x{streams}")

            def load(one: Contender, c: int = connections, m: int = streams) -> Count:
                return grpc_load.run(one.model, one.server.launch.grpc_port or 0, c, m, seconds, sizes[one.name])

            _turns(able, number, cell, load, results)


def open_arrivals(there: Sequence[Contender], rounds: int, seconds: int, results: Results) -> None:
    """Poisson arrivals of JSON requests at 70 % of what each server reached, and ours also at the best peer's rate."""
    model = there[0].model.name
    rates = {one.name: SHARE * results.saturation(model, "json", one.name) for one in there}
    best = max((rate for name, rate in rates.items() if name != OURS), default=0.0)
    for number in range(rounds):

        def load(one: Contender, seed: int = number, rate: float | None = None) -> Count:
            request = one.peer.request(one.model, "json")
            wished = rate or rates[one.name]
            return open_load.run(request, one.server.launch.port, wished, seconds, CONNECTIONS, seed + 1, one.folder)

        able = [one for one in there if rates[one.name]]
        _turns(able, number, Cell(model, "open", "70 %"), load, results)
        if best:
            ours = [one for one in able if one.name == OURS]
            _turns(ours, number, Cell(model, "open", "peer's rate"), lambda one: load(one, rate=best), results)


def limits(model: Model, python: Path, rounds: int, seconds: float, results: Results) -> None:
    """ONNX Runtime in process, nobody else running."""
    told = model.path.with_suffix(".json")
    command = [python, _LIMIT, model.path, told, str(os.cpu_count()), str(seconds)]
    for _ in range(rounds):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, timeout=120)
        results.limits[model.name].append(json.loads(done.stdout)["rows"])


def start_ups(peers: Sequence[tuple[Peer, Path]], model: Model, rounds: int, results: Results) -> None:
    """From the program's start to its first right answer, and what it then holds in memory."""
    for number in range(rounds):
        for peer, python in rotated(peers, number):
            with serving(peer, python, model) as (contender, seconds):
                spent = contender.server.cpu_seconds()
                resident, proportional = contender.server.memory()
                count = len(contender.server.processes())
            told = results.starts.setdefault(
                contender.name, {"seconds": [], "cpu": [], "rss": [], "pss": [], "processes": []}
            )
            for name, value in zip(told, (seconds, spent, resident, proportional, count), strict=True):
                told[name].append(value)


def _turns(
    able: Sequence[Contender], number: int, cell: Cell, load: Callable[[Contender], Count], results: Results
) -> None:
    for contender in rotated(able, number):
        sample = contender.measured(load)
        results.add(cell, contender.name, sample)
        said = f"{cell.model} {cell.kind} {cell.load} {contender.name}: {sample.rps:.0f} rps, {sample.cpu:.0f} µs"
        print(f"{said}, {sample.p50:.2f}/{sample.p99:.2f} ms, {sample.errors} errors", file=sys.stderr, flush=True)


def _answers_grpc(one: Contender, python: Path, results: Results) -> int:
    """Size of its right answer's frame; 0 where there is none."""
    try:
        answer = grpc_load.asked_once(python, one.server.launch.grpc_port or 0, one.model)
    except Wrong as exc:
        results.notes.append(f"{one.name} on {one.model.name} over gRPC: {exc}")
        return 0
    return len(grpc_load.frame(answer))
