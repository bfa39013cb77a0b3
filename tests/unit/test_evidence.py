"""Deaths in words, and what programs report of their start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlserve.backends.evidence import collapse, reason, retryable
from mlserve.backends.local.shim.log import Log
from mlserve.backends.logs import Tail, Wanted, read
from mlserve.backends.report import Report, ReportFile, phases


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"exit": {"status": 3}}, "exited with status 3"),
        ({"exit": {"signal": 11}}, "killed by signal 11 (SIGSEGV)"),
        ({"oom": True, "memory": {"limit_mb": 64, "peak_mb": 63}}, "out of memory: limit 64 MB, peak 63 MB"),
        ({"exit": {"signal": 9}, "hung": True}, "no longer answered and was killed"),
        ({"exit": {"status": 70}, "report_failure": {"reason": "no such weights"}}, "no such weights"),
        ({"exit": {"signal": 9}, "startup_timeout": True, "startup_seconds": 5.0}, "not ready within 5 s"),
        ({}, "ended while nobody was there to see how"),
    ],
)  # fmt: skip
def test_a_death_is_told_in_words(evidence: dict[str, Any], words: str) -> None:
    assert reason(evidence) == words


@pytest.mark.parametrize(
    ("evidence", "again"),
    [
        ({"exit": {"status": 3}}, True),
        ({"exit": {"signal": 9}, "oom": True}, True),
        ({"report_failure": {"retryable": False}}, False),
        ({"report_failure": {"retryable": True}}, True),
        ({"not_started": {"errno": 2}}, False),
        ({"not_started": {"errno": 28}}, True),
        ({"startup_timeout": True}, False),
    ],
)
def test_whether_the_same_start_could_go_better(evidence: dict[str, Any], again: bool) -> None:
    assert retryable(evidence) is again


def test_probes_that_say_the_same_are_counted_and_the_last_twenty_kept() -> None:
    history: tuple[Any, ...] = ()
    for _ in range(3):
        history = collapse(history, {"at": 1.0, "ok": False, "detail": "refused"})
    assert history == ({"at": 1.0, "ok": False, "detail": "refused", "times": 3},)
    for number in range(30):
        history = collapse(history, {"at": 1.0, "ok": False, "detail": f"answered {number}"})
    assert len(history) == 20
    assert history[-1]["detail"] == "answered 29"


def test_phases_are_those_the_program_told_and_our_probing() -> None:
    told = Report().with_lines(
        json.dumps(line)
        for line in (
            {"at": 1.0, "phase": "load", "state": "running"},
            {"at": 3.0, "phase": "load", "state": "done"},
            {"at": 3.0, "phase": "warm-up", "state": "running"},
        )
    )
    assert phases(told, 0.5, None, None) == (
        {"phase": "load", "state": "done", "at": 1.0, "seconds": 2.0},
        {"phase": "warm-up", "state": "running", "at": 3.0, "seconds": 0.0},
    )
    assert phases(told, 0.5, None, 4.0)[-1]["state"] == "failed"
    ready = told.with_lines(['{"at": 5.0, "phase": "ready", "state": "done"}'])
    assert phases(ready, 0.5, 5.5, None)[-1] == {"phase": "probe", "state": "done", "at": 5.0, "seconds": 0.5}


def test_a_report_is_read_as_it_grows_and_nonsense_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    file = ReportFile(path)
    assert not file.refresh()
    path.write_text('nonsense\n[1]\n{"facts": {"device": "cpu"}}\n{"failure": {"cau')
    assert file.refresh()
    assert file.report.facts == {"device": "cpu"}
    assert file.report.failure is None
    with path.open("a") as more:
        more.write('se": "bad-entry"}}\n')
    assert file.refresh()
    assert file.report.failure == {"cause": "bad-entry"}


def test_a_full_disk_loses_lines_and_says_how_many(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    log = Log(directory, limit=1000, files=3)
    log.begin()
    log.feed(b"one\ntwo\nthr")
    directory.mkdir()
    log.feed(b"ee\n")
    lines = [line.text for line in read({"a": directory}, Wanted())]
    assert lines == ["[mlserve] 2 lines lost: the disk was full", "three"]


def test_a_follower_sees_each_line_once_through_rotation_and_restart(tmp_path: Path) -> None:
    log = Log(tmp_path, limit=200, files=3)
    log.begin()
    follower = Tail("a", tmp_path, from_start=True)
    seen = []
    for number in range(10):
        log.feed(f"line {number}\n".encode())
        seen += [line.text for line in follower.new_lines()]
    log = Log(tmp_path, limit=200, files=3)
    log.begin()
    log.feed(b"again\n")
    seen += [line.text for line in follower.new_lines()]
    assert seen == [*(f"line {number}" for number in range(10)), "again"]
    assert [line.text for line in read({"a": tmp_path}, Wanted(previous=True))][-1] == "line 9"
