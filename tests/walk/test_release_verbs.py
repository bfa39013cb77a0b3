"""Releases as they are typed: what is printed, and what a script gets as exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.walk.release_kit import descriptor


def mlserve(*words: str | Path) -> tuple[int, str, str]:
    command = [sys.executable, "-c", "from mlserve_cli.main import run; run()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=90, check=False)
    return done.returncode, done.stdout, done.stderr


def shown(*words: str | Path) -> Any:
    code, out, err = mlserve(*words, "-o", "json")
    assert code == 0, err
    return json.loads(out)


def test_a_canary_is_followed_promoted_aborted_and_rolled_back(home: Path, tmp_path: Path) -> None:
    assert mlserve("create", descriptor(tmp_path, "one"))[0] == 0
    assert mlserve("release", "status", "shop")[0] == 3
    two = descriptor(tmp_path, "two", {"steps": [{"weight": 30}]})
    code, _, err = mlserve("update", "shop", two)
    assert (code, "mlserve release promote shop" in err) == (0, True)
    assert "release canary to version 2, 30 % waiting" in err
    assert "canary to version 2, 30 % waiting" in mlserve("describe", "shop")[1]
    code, _, err = mlserve("update", "shop", descriptor(tmp_path, "three"))
    assert (code, "mlserve release abort shop" in err) == (4, True)
    told = shown("release", "status", "shop")["release"]
    assert (told["state"], [side["weight"] for side in told["versions"]]) == ("waiting", [70, 30])
    assert mlserve("release", "promote", "shop")[0] == 0
    code, out, _ = mlserve("release", "status", "shop", "-w")
    assert (code, "done" in out, "kept" in out) == (0, True, True)
    code, out, _ = mlserve("rollback", "shop")
    assert (code, "shop version 1 is Running" in out) == (0, True)
    assert mlserve("update", "shop", descriptor(tmp_path, "four"), "--strategy", "sideways")[0] == 2
    bad = descriptor(tmp_path, "bad", {"gates": {"min_requests": 1}, "timeout": "1s"}, startup_timeout=10)
    code, _, err = mlserve("update", "shop", bad)
    assert (code, "its gates could not be judged within 1 s" in err) == (9, True), err
    code, out, _ = mlserve("release", "status", "shop")
    assert (code, "failed" in out) == (0, True)
    assert shown("describe", "shop")["version"] == 1
