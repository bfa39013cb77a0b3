"""A service asked through the gateway, and its instance without: requests a second and times, in turn, with a token."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.home import fresh_home, mlserve
from benchmarks.measure import conditions
from benchmarks.peers.base import Request
from benchmarks.serving import http_load
from benchmarks.serving.samples import Sample, percentile, ratios, rotated, spread
from mlserve import Predictor

IRIS = Path(__file__).parent.parent / "examples" / "iris"
CONNECTIONS, SECONDS, ROUNDS = 16, 4, 7
ONE_AT_A_TIME = 2000
GATEWAY, DIRECT = "gateway", "direct"
Way = Callable[[], Sample]


def main() -> None:
    with fresh_home(), ExitStack() as stack:
        mlserve("create", str(IRIS / "service.json"), "--set", "metadata.cpu=2")
        told = json.loads(mlserve("describe", "iris", "-o", "json"))
        many = in_turn(stack.enter_context(by_wrk(told)))
        one = in_turn(stack.enter_context(by_predictor(told)))
    print(f"{conditions()}; one instance, {ROUNDS} rounds in turn\n")
    print("| iris, JSON, with a token | requests/s | p50 | p99 |\n|---|---|---|---|")
    rows(f"wrk, {CONNECTIONS} connections", many)
    rows("`mlserve.Predictor`, one after the other", one)


@contextmanager
def by_wrk(told: Mapping[str, Any]) -> Iterator[dict[str, Way]]:
    """Each way as often as it can be asked by one load generator."""
    headers = {"content-type": "application/json", "authorization": told["token"]}
    request = Request("", (IRIS / "request.json").read_bytes(), lambda *_: (), headers)
    with tempfile.TemporaryDirectory() as folder:
        lua = http_load.script(request, Path(folder))

        def ask(url: str) -> Sample:
            count = http_load.run(lua, url, CONNECTIONS, SECONDS)
            if count.errors:
                raise SystemExit(f"{count.errors} of {count.requests} requests to {url} failed")
            return Sample(count.rps, count.p50, count.p99, 0)

        address = told["instances"][0]["address"]
        yield {GATEWAY: lambda: ask(told["endpoint"]), DIRECT: lambda: ask(f"http://{address}/")}


@contextmanager
def by_predictor(told: Mapping[str, Any]) -> Iterator[dict[str, Way]]:
    """The same client both ways."""
    data = json.loads((IRIS / "request.json").read_text())
    with (
        Predictor(told["endpoint"], told["token"]) as gateway,
        Predictor(told["endpoint"], told["token"], direct=True) as direct,
    ):
        yield {GATEWAY: lambda: one_after_the_other(gateway, data), DIRECT: lambda: one_after_the_other(direct, data)}


def one_after_the_other(predictor: Predictor, data: Mapping[str, object]) -> Sample:
    times, began = [], time.perf_counter()
    for _ in range(ONE_AT_A_TIME):
        before = time.perf_counter()
        predictor.predict(data)
        times.append(1000 * (time.perf_counter() - before))
    taken = time.perf_counter() - began
    return Sample(ONE_AT_A_TIME / taken, percentile(times, 0.5), percentile(times, 0.99), 0)


def in_turn(ways: Mapping[str, Way]) -> dict[str, list[Sample]]:
    """The rounds of each way; a first one does not count."""
    found: dict[str, list[Sample]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name in rotated(list(ways), number):
            sample = ways[name]()
            if number:
                found[name].append(sample)
    return found


def rows(client: str, found: Mapping[str, list[Sample]]) -> None:
    for name, samples in found.items():
        rps, p50, p99 = (spread(samples, of) for of in (_rps, _p50, _p99))
        print(f"| {client}, {name} | {rps} | {p50} ms | {p99} ms |")
    relation = ratios([one.rps for one in found[DIRECT]], [one.rps for one in found[GATEWAY]])
    print(f"| {client}, direct against gateway, round by round | {relation}× | | |")


def _rps(sample: Sample) -> float:
    return sample.rps


def _p50(sample: Sample) -> float:
    return sample.p50


def _p99(sample: Sample) -> float:
    return sample.p99


if __name__ == "__main__":
    main()
