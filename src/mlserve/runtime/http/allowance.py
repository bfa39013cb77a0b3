"""How much memory one request may take once it is read: little that is sent can become much."""

from __future__ import annotations

from pathlib import Path

from mlserve.errors import InvalidInput

_SHARE = 0.5
_PAGE = 4096


class TooMuch(InvalidInput):
    """A body that this instance has no memory for."""

    code, status = "too-large", 413


class Allowance:
    """Half of what this process has left of its memory; 0: no limit is known, and everything is taken."""

    def __init__(self) -> None:
        self.most = 0

    def set(self, memory: int) -> None:
        """``memory``: bytes that the whole process may use."""
        self.most = max(1, int((memory - _resident()) * _SHARE)) if memory else 0

    def check(self, needed: int, what: str, instead: str = "send less at once") -> None:
        """Raises TooMuch where reading ``what`` would take more than there is."""
        if self.most and needed > self.most:
            raise TooMuch(
                f"{what} would take about {needed >> 20} MB once read, and this instance has {self.most >> 20} MB "
                f"for one request; {instead}, or raise metadata.memory"
            )


def _resident() -> int:
    """Not `getrusage`, whose maximum begins with that of the program that started this one."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except FileNotFoundError:  # not on Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


ALLOWANCE = Allowance()
"""This process's; `Expansion` sets it, once the model is loaded."""
