"""Mixed load on one instance for as long as asked: does its memory stay flat, does anything fail?

`python -m benchmarks soak --minutes 60` prints resident memory every ten seconds; at the end its slope and every kind
of failure.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence

from benchmarks.measure import conditions
from benchmarks.peers.base import v2_json
from benchmarks.peers.ours import Ours
from benchmarks.serving import mixed_load
from benchmarks.serving.answers import ask
from benchmarks.serving.environments import environment, work_folder
from benchmarks.serving.lineup import Contender, serving
from benchmarks.serving.mixed_load import Ledger
from benchmarks.serving.models import REQUIREMENTS, make

_EVERY = 10.0
_PILLOW = "pillow"


class SoakingServer(Ours):
    """Our runtime with what reads pictures."""

    requirements = (*Ours.requirements, _PILLOW)


def main(words: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--share", type=float, default=1.0, help="of the time that each kind of load sends")
    asked = parser.parse_args(list(words))
    minutes = asked.minutes
    peer, ledger = SoakingServer(), Ledger()
    model = make(work_folder() / "models", environment("models", REQUIREMENTS))["cnn"]
    with serving(peer, environment("soak", peer.requirements), model) as (one, _):
        end = time.monotonic() + 60 * minutes
        threads = mixed_load.start(one, end, ledger, asked.share)
        seen = _watch(one, end, ledger)
        for thread in threads:
            thread.join()
        ask(one.server.launch.port, v2_json(model), model)
    print(_said(minutes, seen, ledger))
    if ledger.failed:
        raise SystemExit(1)


def slope(seen: Sequence[tuple[float, float]]) -> float:
    """Megabytes an hour over the second half of the (seconds, megabytes): the first is warming up."""
    half = seen[len(seen) // 2 :]
    if len(half) < 2:
        return 0.0
    return 3600 * statistics.linear_regression([at for at, _ in half], [size for _, size in half]).slope


def _watch(one: Contender, end: float, ledger: Ledger) -> list[tuple[float, float]]:
    began, seen = time.monotonic(), []
    while time.monotonic() < end:
        time.sleep(min(_EVERY, max(0.0, end - time.monotonic())))
        resident, _ = one.server.memory()
        seen.append((time.monotonic() - began, resident))
        total = sum(ledger.sent.values())
        print(f"{seen[-1][0]:6.0f} s {resident:7.1f} MB {total} requests {dict(ledger.failed)}", file=sys.stderr)
        if one.server.ended:
            ledger.failed["the instance ended"] += 1
            break
    return seen


def _said(minutes: float, seen: Sequence[tuple[float, float]], ledger: Ledger) -> str:
    sizes = [size for _, size in seen]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in ledger.sent.items())
    failures = "".join(f"\n* {count} × {what}" for what, count in ledger.failed.most_common(20)) or " none"
    return (
        f"{conditions()}; cnn, {minutes:g} minutes of mixed load: {kinds}.\n\n"
        f"Resident memory: {sizes[0]:.0f} MB after {_EVERY:.0f} s, {statistics.median(sizes):.0f} MB in the middle, "
        f"{max(sizes):.0f} MB at most, {sizes[-1]:.0f} MB at the end; slope over the second half "
        f"{slope(seen):+.1f} MB an hour.\n\nFailures:{failures}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
