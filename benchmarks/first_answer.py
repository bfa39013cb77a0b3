"""From a descriptor to the first answer: with no hub running, then a second service beside the first."""

from __future__ import annotations

import json
import time
from pathlib import Path

from benchmarks.home import fresh_home, mlserve
from benchmarks.measure import Times, conditions

IRIS = Path(__file__).parent.parent / "examples" / "iris"


def serve_and_ask(*settings: str, name: str = "iris") -> float:
    """Seconds for ``mlserve create`` and one ``mlserve predict``, each a program of its own."""
    began = time.perf_counter()
    mlserve("create", str(IRIS / "service.json"), *settings, "--set", "metadata.memory=256")
    answer = mlserve("predict", name, "--file", str(IRIS / "request.json"))
    json.loads(answer)
    return time.perf_counter() - began


def main() -> None:
    first, second = [], []
    with fresh_home() as warm:
        serve_and_ask()
        environments = warm / "environments"
        for _ in range(5):
            with fresh_home(environments if environments.exists() else None):
                first.append(serve_and_ask())
                second.append(serve_and_ask("--set", "name=second", name="second"))
    print(f"{conditions()}; 5 rounds, warm environment cache, fresh home each\n")
    print("| | median [min–max] | bar |\n|---|---|---|")
    print(f"| `create` + `predict`, no hub running | {Times(first)} | 3000 ms |")
    print(f"| the same for a second service | {Times(second)} | 1500 ms |")


if __name__ == "__main__":
    main()
