"""What containers wrote, as the engine hands it out: lines with their time, and reports among them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mlserve.backends.docker.deaths import moment

RECORD = "\x1e"
"""Before each line of a program's report: the separator of JSON records, which no log begins a line with."""
MOST_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Written:
    """One line: its time as the engine wrote it, what it says, and what of it is a report."""

    stamp: str
    text: str
    report: str = ""

    @property
    def at(self) -> float:
        """Seconds since the epoch."""
        return moment(self.stamp)


class Lines:
    """Puts the pieces together that the engine cuts long lines into: each comes with a time of its own."""

    def __init__(self) -> None:
        self._stamp, self._rest = "", b""

    def feed(self, piece: bytes) -> Iterator[Written]:
        """The line that is whole with this piece, if one is."""
        stamp, _, text = piece.partition(b" ")
        self._stamp = self._stamp or stamp.decode(errors="replace")
        self._rest += text
        if self._rest.endswith(b"\n") or len(self._rest) > MOST_BYTES:
            yield self._whole()

    def rest(self) -> Iterator[Written]:
        """What came last without an end."""
        if self._rest:
            yield self._whole()

    def _whole(self) -> Written:
        text, sign, report = self._rest.decode(errors="replace").rstrip("\r\n").partition(RECORD)
        found = Written(self._stamp, text, report if sign else "")
        self._stamp, self._rest = "", b""
        return found


def written(pieces: Iterable[bytes]) -> Iterator[Written]:
    """All lines of a log."""
    lines = Lines()
    for piece in pieces:
        yield from lines.feed(piece)
    yield from lines.rest()


def is_log(line: Written) -> bool:
    """Whether a line is for people: one that is nothing but a report is not."""
    return bool(line.text) or not line.report
