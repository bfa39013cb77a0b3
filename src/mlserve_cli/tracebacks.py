"""Take out of a log what a failure record says already: the tracebacks of the very exception. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_BEGINS = "Traceback (most recent call last):"
_LINKS = ("During handling of the above exception", "The above exception was the direct cause")


def without_tracebacks(lines: Sequence[str], told: str) -> list[str]:
    """The lines, without tracebacks that end in what is ``told``, whole chains of them.

    A log that is kept in part may begin in the middle of one.
    """
    kept: list[str] = []
    cut = False
    for block in _blocks(lines):
        rest_of_it = cut and bool(block[0].strip()) and " ".join(block[0].split()) in told  # a text of several lines
        cut = rest_of_it or (_is_traceback(block) and _repeats(block[-1], told))
        kept += [] if cut else block
    return kept


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """A traceback with all that led to it, or a line of another kind."""
    at = 0
    while at < len(lines):
        end = _end(lines, at) if _starts(lines[at], first=not at) else at + 1
        yield list(lines[at:end])
        at = end


def _end(lines: Sequence[str], at: int) -> int:
    """After the exception that a traceback ends with, or the last of its chain."""
    at += 1
    while at < len(lines) and (lines[at][:1].isspace() or not lines[at]):
        at += 1
    at = min(at + 1, len(lines))
    following = at
    while following < len(lines) and (not lines[following] or lines[following].startswith(_LINKS)):
        following += 1
    chained = following > at and following < len(lines) and lines[following].startswith(_BEGINS)
    return _end(lines, following) if chained else at


def _starts(line: str, *, first: bool) -> bool:
    return line.startswith(_BEGINS) or (first and line[:1].isspace())


def _is_traceback(block: Sequence[str]) -> bool:
    return _starts(block[0], first=True)


def _repeats(last: str, told: str) -> bool:
    kind, _, said = last.partition(": ")
    kind = kind.rpartition(".")[2]
    return " ".join(said.split()) in told if said else kind in told
