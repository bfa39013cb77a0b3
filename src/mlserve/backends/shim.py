"""Start one program, keep its log, hold its memory, and say how it ended. Runs by itself; standard library only.

``python -I -S shim.py DIRECTORY`` with the specification (JSON) on standard input and the directory's lock as
descriptor 3. It outlives the hub that started it; whoever holds the lock finds a running shim behind it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

LOCK = 3
MAX_LINE = 16 * 1024
WATCH_SECONDS = 0.25
PR_SET_CHILD_SUBREAPER = 36
RESERVE = 1024


class Log:
    """Lines with their time in rotated files. A full disk loses lines, never the program."""

    def __init__(self, directory: Path, limit: int, files: int) -> None:
        self._directory, self._limit, self._files = directory, limit, files
        self._rest, self._lost, self._size, self._file = b"", 0, 0, -1

    def begin(self) -> None:
        """Put the last run's files aside as ``previous``."""
        for number in range(self._files):
            self._rename(self._path("current", number), self._path("previous", number))
        self.resume()

    def resume(self) -> None:
        """Go on behind what is there."""
        try:
            self._file = os.open(self._path("current", 0), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._size = os.fstat(self._file).st_size
        except OSError:
            self._file = -1

    def feed(self, data: bytes) -> None:
        """Take what the program wrote; whole lines are written, the rest waits for its end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > MAX_LINE:
            lines.append(self._rest[:MAX_LINE])
            self._rest = self._rest[MAX_LINE:]
        self._write(lines)

    def close(self) -> None:
        if self._rest:
            self._write([self._rest])

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        now = time.time()
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1e6):06d}Z ".encode()
        pieces = [line[at : at + MAX_LINE] for line in lines for at in range(0, max(len(line), 1), MAX_LINE)]
        if self._lost:
            pieces.insert(0, b"[mlserve] %d lines lost: the disk was full" % self._lost)
        block = b"".join(stamp + piece.rstrip(b"\r") + b"\n" for piece in pieces)
        if self._size and self._size + len(block) > self._limit:
            self._rotate()
        if self._put(block):
            self._lost = 0
        else:
            self._lost += len(lines)

    def _put(self, block: bytes) -> bool:
        if self._file < 0:
            self.resume()
        try:
            written = os.write(self._file, block)
        except OSError:
            return False
        self._size += written
        return written == len(block)

    def _rotate(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        for number in range(self._files - 1, 0, -1):
            self._rename(self._path("current", number - 1), self._path("current", number))
        self.resume()

    def _path(self, run: str, number: int) -> Path:
        return self._directory / (f"{run}.log.{number}" if number else f"{run}.log")

    @staticmethod
    def _rename(old: Path, new: Path) -> None:
        try:
            old.rename(new)
        except FileNotFoundError:
            new.unlink(missing_ok=True)
        except OSError as exc:
            sys.stderr.write(f"{old}: {exc}\n")


class Cgroup:
    """The memory cgroup the hub made for this instance, if it could."""

    def __init__(self, spec: dict[str, Any] | None) -> None:
        self._path = Path(spec["path"]) if spec else None
        self._version = spec["version"] if spec else 0
        self._kills = self._oom_kills()

    def __bool__(self) -> bool:
        return self._path is not None

    def join(self) -> None:
        """Move the calling process in."""
        if self._path:
            (self._path / "cgroup.procs").write_text("0")

    def oom(self) -> bool:
        return self._oom_kills() > self._kills

    def peak(self) -> int:
        return self._number("memory.peak" if self._version == 2 else "memory.max_usage_in_bytes")

    def pids(self) -> list[int]:
        if not self._path:
            return []
        try:
            return [int(line) for line in (self._path / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def _oom_kills(self) -> int:
        if not self._path:
            return 0
        name = "memory.events" if self._version == 2 else "memory.oom_control"
        try:
            pairs = (line.split() for line in (self._path / name).read_text().splitlines())
            return next((int(value) for key, value in pairs if key == "oom_kill"), 0)
        except OSError:
            return 0

    def _number(self, name: str) -> int:
        try:
            return int((self._path / name).read_text()) if self._path else 0
        except (OSError, ValueError):
            return 0


class Program:
    """The supervised process and all that descends from it."""

    def __init__(self, pid: int, start: int, *, child: bool) -> None:
        self.pid, self.start, self._child = pid, start, child
        self.ended: dict[str, Any] | None = None
        self.peak = 0

    def reap(self) -> None:
        """Collect whatever ended: the program itself, and orphans that came to us as their subreaper."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self.pid and self._child:
                code = os.waitstatus_to_exitcode(status)
                self.ended = {"signal": -code} if code < 0 else {"status": code}
                self.peak = max(self.peak, usage.ru_maxrss * 1024)
        if not self._child and self.ended is None and start_time(self.pid) != self.start:
            self.ended = {}

    def family(self) -> list[int]:
        found, todo = [], [self.pid, *children(os.getpid())]
        while todo:
            pid = todo.pop()
            if pid not in found:
                found.append(pid)
                todo += children(pid)
        return found

    def kill(self, cgroup: Cgroup) -> None:
        """Kill the program's group and every descendant, until nothing is left of it."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            send(-self.pid, signal.SIGKILL)
            left = [pid for pid in {*children(os.getpid()), *cgroup.pids()} if pid != os.getpid()]
            for pid in left:
                send(pid, signal.SIGKILL)
            self.reap()
            if not left:
                return
            time.sleep(0.01)


def main(directory: Path, spec: dict[str, Any]) -> None:
    """Run the program of ``spec`` (or go on with a running one), then leave ``exit.json``."""
    os.set_inheritable(LOCK, False)
    os.closerange(LOCK + 1, os.sysconf("SC_OPEN_MAX"))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for name in ("program", "exit"):
        (directory / f"{name}.reserve").write_bytes(
            b" " * RESERVE
        )  # a full disk can't keep us from saying what happened
    cgroup, log = Cgroup(spec["cgroup"]), Log(directory, spec["log_bytes"], spec["log_files"])
    attach = spec["attach"]
    if attach:
        log.resume()
        pipe, program = reopen(attach["pid"]), Program(attach["pid"], attach["start"], child=False)
    else:
        log.begin()
        pipe, write_end = os.pipe()
        try:
            program = start(directory, spec, cgroup, write_end)
        except OSError as exc:
            write(directory, "exit", {"at": time.time(), "not_started": describe(exc, spec)})
            return
        os.close(write_end)
    if attach:
        introduce(directory, spec, program)
    over = watch(program, pipe, log, 0 if cgroup else spec["memory_mb"] * 2**20)
    oom = over or cgroup.oom()
    at, peak = time.time(), max(program.peak, cgroup.peak())
    program.kill(cgroup)
    drain(pipe, log)
    log.close()
    memory = {"limit_mb": spec["memory_mb"] or None, "peak_mb": round(peak / 2**20)}
    write(directory, "exit", {"at": at, **(program.ended or {}), "oom": oom, "memory": memory})


def introduce(directory: Path, spec: dict[str, Any], program: Program) -> None:
    """Say who we are and whom we keep."""
    identity = {"pid": program.pid, "start": program.start}
    shim = {"pid": os.getpid(), "start": start_time(os.getpid())}
    write(directory, "program", {"shim": shim, "program": identity, "boot": spec["boot"]})


def start(directory: Path, spec: dict[str, Any], cgroup: Cgroup, write_end: int) -> Program:
    """Fork the program into a session of its own; raises the OSError that kept it from starting.

    It begins once its pid is noted: were we killed before, it would run on with nobody who knows of it.
    """
    failed, failing = os.pipe()
    noted, noting = os.pipe()
    standing, stands = os.pipe()
    # Opened for reading too, the pipe never breaks: a program that outlives this shim is not killed by its own log.
    output = os.open(f"/proc/self/fd/{write_end}", os.O_RDWR)
    pid = os.fork()
    if pid == 0:
        os.close(noting)
        stand_alone()
        os.write(stands, b"!")
        if not os.read(noted, 1):  # the shim is gone
            os._exit(127)
        become(spec, cgroup, output, failing)
    os.close(failing)
    os.close(output)
    os.close(noted)
    os.close(stands)
    os.read(standing, 1)  # from now on it has a group, and signals reach it
    os.close(standing)
    program = Program(pid, start_time(pid), child=True)
    introduce(directory, spec, program)
    os.write(noting, b"!")
    os.close(noting)
    with os.fdopen(failed) as report:
        text = report.read()
    if text:
        os.waitpid(pid, 0)
        number, _, name = text.partition(" ")
        raise OSError(int(number), os.strerror(int(number)), name)
    return program


def stand_alone() -> None:
    """Leave the shim's session, and end by signals again as programs do."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def become(spec: dict[str, Any], cgroup: Cgroup, output: int, failing: int) -> None:
    name = ""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        most = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        cgroup.join()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        name = spec["cwd"]
        os.chdir(name)
        name = spec["argv"][0]
        os.execvpe(name, spec["argv"], spec["env"])  # noqa: S606 - starting a program is what it is for
    except OSError as exc:
        os.write(failing, f"{exc.errno} {name}".encode())
    finally:
        os._exit(127)


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


def describe(exc: OSError, spec: dict[str, Any]) -> dict[str, Any]:
    return {"errno": exc.errno, "error": exc.strerror, "path": exc.filename or spec["argv"][0]}


def write(directory: Path, name: str, data: dict[str, Any]) -> None:
    """Leave ``name.json``, whole or not at all, in space that was set aside."""
    reserve = directory / f"{name}.reserve"
    with reserve.open("r+b") as file:
        file.write(json.dumps(data).encode().ljust(RESERVE))
    reserve.rename(directory / f"{name}.json")


def start_time(pid: int) -> int:
    """Clock ticks from boot to the start of a process; 0 when it is gone or a zombie."""
    fields = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if fields and fields[0] not in "ZX" else 0


def children(pid: int) -> list[int]:
    return [int(word) for word in text(f"/proc/{pid}/task/{pid}/children").split()]


def text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), json.loads(sys.stdin.buffer.read()))
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.errno)  # the hub reads it as the reason why nothing was started
