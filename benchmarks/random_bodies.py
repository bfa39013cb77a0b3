"""Ten thousand odd bodies against one instance: no crash, no hang, nothing answered 500 that the client got wrong."""

from __future__ import annotations

import argparse
import http.client
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.odd_bodies import Odd, odd_bodies
from benchmarks.peers.base import nested
from benchmarks.peers.ours import Ours
from benchmarks.serving.answers import ask
from benchmarks.serving.environments import environment, work_folder
from benchmarks.serving.lineup import Contender, serving
from benchmarks.serving.models import REQUIREMENTS, Model, make

_PATIENCE = 5.0


def main(words: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks random_bodies")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(list(words))
    ours = Ours()
    model = make(work_folder() / "models", environment("models", REQUIREMENTS))["iris"]
    with serving(ours, environment("ours", ours.requirements), model) as (contender, _):
        began = time.monotonic()
        answered, failures = _send_all(contender, odd_bodies("iris", good_bodies(model), options.count, options.seed))
        ask(contender.server.launch.port, ours.request(model, "json"), model)
    said = ", ".join(f"{count} × {status}" for status, count in sorted(answered.items()))
    print(f"{options.count} bodies (seed {options.seed}) in {time.monotonic() - began:.0f} s: {said}.")
    print("The instance lives and answers rightly.")
    for failure in failures[:20]:
        print(f"* {failure}")
    if failures:
        raise SystemExit(f"{len(failures)} failures")


def good_bodies(model: Model) -> list[object]:
    """What the service takes, in each of its JSON forms."""
    rows = nested(model.data, model.shape)
    tensor = {"name": model.input, "shape": list(model.shape), "datatype": "FP32", "data": list(model.data)}
    return [
        {model.input: rows},
        {model.input: rows[0]},
        {"id": "1", "inputs": [tensor], "outputs": [{"name": name} for name in model.outputs]},
        {"instances": rows},
        {"inputs": {model.input: rows}},
        {"text_input": "a", "parameters": {"stream": False}},
    ]


def _send_all(contender: Contender, bodies: Iterable[Odd]) -> tuple[Counter[int], list[str]]:
    answered: Counter[int] = Counter()
    failures: list[str] = []
    connection = http.client.HTTPConnection("127.0.0.1", contender.server.launch.port, timeout=_PATIENCE)
    for odd in bodies:
        try:
            status, said = _send(connection, odd)
        except (OSError, http.client.HTTPException) as exc:
            failures.append(f"{exc!r} for {_glimpse(odd)}")
            connection.close()
            if contender.server.ended:
                raise SystemExit(f"the instance died of {_glimpse(odd)}") from exc
            continue
        answered[status] += 1
        if status == 500:
            failures.append(f"500 {said[:200]!r} for {_glimpse(odd)}")
    connection.close()
    return answered, failures


def _send(connection: http.client.HTTPConnection, odd: Odd) -> tuple[int, bytes]:
    connection.request("POST", odd.path, odd.body, odd.headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def _glimpse(odd: Odd) -> str:
    return f"POST {odd.path} {odd.headers} {odd.body[:200]!r}"


if __name__ == "__main__":
    main()
