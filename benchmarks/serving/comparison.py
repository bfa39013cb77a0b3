"""`python -m benchmarks peers`: our runtime beside other servers, under the same load, in turn."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import conditions
from benchmarks.peers.base import ONNXRUNTIME, Peer
from benchmarks.serving import rounds
from benchmarks.serving.environments import environment, work_folder
from benchmarks.serving.gateway import share
from benchmarks.serving.lineup import lineup
from benchmarks.serving.models import REQUIREMENTS, Model, make
from benchmarks.serving.options import Options, read
from benchmarks.serving.report import report
from benchmarks.serving.results import OURS, Results

_LARGE = (OURS, "Triton ×1", "Triton ×2", "KServe")
"""Who is asked with the 600 KB tensor: the others take seconds for its JSON."""
_GRPC_CLIENT = ("grpcio",)

Entry = tuple[Peer, Path]


def main(words: Sequence[str] = ()) -> None:
    options = read(words)
    began = time.monotonic()
    tools = environment("models", REQUIREMENTS)
    models = make(work_folder() / "models", tools)
    entries = _entries(options)
    results = Results()
    for name in options.models:
        _under_load(options, entries, models[name], tools, results)
    if options.has("ray") and any(peer.name == "Ray Serve" for peer, _ in entries):
        _beside_ray(options, entries, models["iris"], results)
    if options.has("start"):
        rounds.start_ups(entries, models["iris"], options.rounds, results)
    if options.has("gateway"):
        results.notes.append(share(models["iris"], options.rounds, options.seconds))
    if options.out:
        results.save(options.out)
    minutes = (time.monotonic() - began) / 60
    print(
        f"{conditions()}; {ONNXRUNTIME}; {options.rounds} rounds in turn of {options.seconds} s, {minutes:.0f} minutes."
    )
    print(
        "wrk and h2load with one thread on the same cores, nothing pinned; medians with [least–most], p50/p99 in ms.\n"
    )
    print("; ".join(peer.setting for peer, _ in entries) + "\n")
    print(report(results))


def _entries(options: Options) -> list[Entry]:
    return [
        (peer, environment(name, peer.requirements))
        for name in ("ours", *options.only)
        for peer in importlib.import_module(f"benchmarks.peers.{name}").peers()
    ]


def _under_load(options: Options, entries: Sequence[Entry], model: Model, tools: Path, results: Results) -> None:
    if not (options.has("http") or options.has("grpc")):
        return
    large = model.name == "tensor"
    able = [entry for entry in entries if entry[0].rests and (not large or entry[0].name in _LARGE)]
    with lineup(able, model) as there:
        if options.has("http"):
            loads = options.connections[:2] if large else options.connections
            rounds.closed_loops(there, options.kinds, loads, options.rounds, options.seconds, results)
            rounds.limits(model, tools, options.rounds, 1.0, results)
        if options.has("grpc") and not large:
            client = environment("grpc-client", _GRPC_CLIENT)
            rounds.grpc_loops(there, client, options.rounds, options.seconds, results)
        if options.has("open") and options.has("http") and not large:
            rounds.open_arrivals(there, min(options.rounds, 3), 2 * options.seconds, results)


def _beside_ray(options: Options, entries: Sequence[Entry], model: Model, results: Results) -> None:
    """Ray never rests, so it is measured apart from the others, beside ours alone."""
    pair = [entry for entry in entries if entry[0].name in (OURS, "Ray Serve")]
    with lineup(pair, model) as both:
        beside = Results()
        rounds.closed_loops(both, ("json",), options.connections, options.rounds, options.seconds, beside)
    results.take(beside, "json", "json beside Ray")
