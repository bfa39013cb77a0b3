"""Logs are read while they grow and rotate: no line twice, none lost, no file missed."""

from __future__ import annotations

import threading
from pathlib import Path

from mlserve.backends.local.shim.log import Log
from mlserve.backends.logs import Tail, Wanted, read


def test_a_tail_follows_through_rotations_without_losing_a_line(tmp_path: Path) -> None:
    log, lines = Log(tmp_path, 20_000, 9), 4000
    log.begin()

    def write() -> None:
        for number in range(lines):
            log.feed(f"{number}\n".encode())

    tail, seen = Tail("iris-1", tmp_path, from_start=True), list[int]()
    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        seen += [int(line.text) for line in tail.new_lines()]
    seen += [int(line.text) for line in tail.new_lines()]
    assert seen == list(range(lines))


def test_reading_while_files_are_renamed_is_no_error(tmp_path: Path) -> None:
    log = Log(tmp_path, 500, 3)
    log.begin()
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            log.feed(b"one more line\n")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            read({"iris-1": tmp_path}, Wanted(tail=50))
            read({"iris-1": tmp_path}, Wanted())
    finally:
        over.set()
        writer.join()
