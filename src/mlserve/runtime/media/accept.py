"""Choose the type of an answer by an Accept header."""

from __future__ import annotations

from collections.abc import Sequence


def choose(accept: bytes, offered: Sequence[bytes]) -> bytes | None:
    """The offered type that is wished for most; of equals the one that is named most precisely, then the first."""
    ranges = [_range(item) for item in accept.split(b",") if item.strip()]
    best: tuple[float, int] = (0.0, 0)
    chosen = None
    for kind in offered:
        rank = _wish(kind, ranges)
        if rank[0] > 0 and rank > best:
            best, chosen = rank, kind
    return chosen


def _range(item: bytes) -> tuple[bytes, float]:
    kind, *parameters = (part.strip().lower() for part in item.split(b";"))
    quality = next((part[2:] for part in parameters if part.startswith(b"q=")), b"1")
    try:
        number = float(quality)
    except ValueError:
        return kind, 0.0
    return kind, number if 0 <= number <= 1 else 0.0


def _wish(kind: bytes, ranges: Sequence[tuple[bytes, float]]) -> tuple[float, int]:
    """Quality and precision of the most precise range that the type is in."""
    precise = [(_precision(kind, pattern), quality) for pattern, quality in ranges]
    precision, quality = max(precise, default=(0, 0.0))
    return (quality, precision) if precision else (0.0, 0)


def _precision(kind: bytes, pattern: bytes) -> int:
    if pattern == kind:
        return 3
    if pattern.endswith(b"/*") and pattern[:-1] == kind[: len(pattern) - 1]:
        return 2
    return 1 if pattern in (b"*/*", b"*") else 0
