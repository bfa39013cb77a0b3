"""How long the command line takes, against the interpreter's own start."""

from __future__ import annotations

import sys

from benchmarks.home import PROGRAM, fresh_home, mlserve
from benchmarks.measure import alternate, command, conditions, ratio


def main() -> None:
    with fresh_home():
        mlserve("list")
        times = alternate(
            {
                "python -c pass": command(sys.executable, "-c", "pass"),
                "mlserve --help": command(*PROGRAM, "--help"),
                "mlserve list": command(*PROGRAM, "list"),
            },
            rounds=15,
        )
    print(f"{conditions()}; 15 rounds in turn, no terminal\n")
    print("| command | median [min–max] | ratio | bar |\n|---|---|---|---|")
    for name, bar in (("python -c pass", "1"), ("mlserve --help", "7"), ("mlserve list", "20")):
        print(f"| `{name}` | {times[name]} | {ratio(times[name], times['python -c pass'])} | {bar}× |")


if __name__ == "__main__":
    main()
