"""A server under measurement: started in a group of its own, watched with all its children, ended with all of them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from benchmarks.peers.base import Launch

MARK = "MLSERVE_BENCH_MARK"
_PATIENCE = 10.0


class Server:
    """One running program. Whatever carries its mark in the environment belongs to it, wherever it moved to."""

    def __init__(self, launch: Launch, folder: Path) -> None:
        self.launch = launch
        self.log = folder / "server.log"
        self._mark = uuid.uuid4().hex
        self.began = time.perf_counter()
        with self.log.open("wb") as log:
            self._root = subprocess.Popen(
                launch.command,
                cwd=folder,
                env={**os.environ, **launch.environment, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._tree: list[psutil.Process] = []

    @property
    def ended(self) -> bool:
        return self._root.poll() is not None

    def settle(self) -> None:
        """Everything it needs runs now: remember its processes."""
        self._tree = self.processes()

    def processes(self) -> list[psutil.Process]:
        """The program and all that it started."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree so far, ended children included."""
        total = 0.0
        for process in self._tree:
            with suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])
        return total

    def memory(self) -> tuple[float, float]:
        """Resident and proportional MB of the whole tree."""
        resident = proportional = 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                told = process.memory_full_info()
                resident, proportional = resident + told.rss, proportional + told.pss
        return resident / 2**20, proportional / 2**20

    def stop(self) -> None:
        """End it, at first politely; raises when something is left after all."""
        if not self.ended:
            self._root.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._root.wait(_PATIENCE)
        left = self.processes()
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _, alive = psutil.wait_procs(left, timeout=_PATIENCE)
        if alive:
            raise SystemExit(f"{self.launch.command[0]} left processes behind: {[process.pid for process in alive]}")
        self._root.wait(_PATIENCE)
        for folder in self.launch.clean:
            shutil.rmtree(folder, ignore_errors=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self._mark
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
