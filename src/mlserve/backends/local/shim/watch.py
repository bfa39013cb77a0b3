"""Carry a program's lines to its log, and hold its memory, until it ends."""

from __future__ import annotations

import os
import select
import signal
import time

from mlserve.backends.local.shim.log import Log
from mlserve.backends.local.shim.proc import send, text
from mlserve.backends.local.shim.program import Program

WATCH_SECONDS = 0.25


def watch(program: Program, pipe: int, log: Log, limit: int) -> bool:
    """Carry lines to the log until the program ends; true when it was killed for using more than ``limit`` bytes."""
    wake, waking = os.pipe2(os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking)
    ended = os.pidfd_open(program.pid)  # for a program that is not our child
    poll = select.poll()
    for descriptor in (wake, ended, pipe):
        if descriptor >= 0:
            poll.register(descriptor, select.POLLIN)
    patience = WATCH_SECONDS if limit else None
    looked, over = 0.0, False
    while program.ended is None:
        for descriptor, event in poll.poll(patience and patience * 1000):
            if descriptor == wake:
                read(wake)
            elif descriptor == pipe and event & select.POLLIN:
                log.feed(read(pipe))
            elif descriptor == pipe:  # the program closed its output
                poll.unregister(pipe)
        program.reap()
        if limit and program.ended is None and time.monotonic() - looked >= WATCH_SECONDS:
            looked, used = time.monotonic(), memory(program.family(), limit)
            program.peak = max(program.peak, used)
            if used > limit:
                over = True
                send(-program.pid, signal.SIGKILL)
    return over


def memory(pids: list[int], limit: int) -> int:
    """Bytes the processes hold and the kernel can't take back; looks closer only near the limit."""
    resident = sum(int(words[1]) for pid in pids if (words := text(f"/proc/{pid}/statm").split()))
    resident *= os.sysconf("SC_PAGE_SIZE")
    if resident <= limit:
        return resident
    return sum(proportional(pid) for pid in pids)


def proportional(pid: int) -> int:
    """Private memory of a process and its share of what it shares, mapped files left out."""
    kinds = ("Pss_Anon:", "Pss_Shmem:")
    lines = (line.split() for line in text(f"/proc/{pid}/smaps_rollup").splitlines())
    return sum(int(words[1]) * 1024 for words in lines if words and words[0] in kinds)


def drain(pipe: int, log: Log) -> None:
    if pipe < 0:
        return
    os.set_blocking(pipe, False)
    while data := read(pipe):
        log.feed(data)


def read(pipe: int) -> bytes:
    try:
        return os.read(pipe, 65536)
    except BlockingIOError:
        return b""


def reopen(pid: int) -> int:
    """The log pipe of a program whose shim was killed."""
    for number in (1, 2):
        link = f"/proc/{pid}/fd/{number}"
        try:
            if os.readlink(link).startswith("pipe:"):
                return os.open(link, os.O_RDONLY)
        except OSError:
            continue
    return -1
