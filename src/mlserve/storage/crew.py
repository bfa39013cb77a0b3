"""Several hands for many pieces of work. The first failure ends all of it; threads never keep a hub from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Piece = TypeVar("Piece")


def share(pieces: Sequence[Piece], do: Callable[[Piece], None], *, workers: int) -> None:
    """Do each piece in some thread; raises what the first one raised that failed, the others having ended."""
    if workers == 1 or len(pieces) == 1:
        for piece in pieces:
            do(piece)
        return
    waiting, lock, failures = iter(pieces), threading.Lock(), list[BaseException]()

    def work() -> None:
        while not failures and (found := _next(waiting, lock)):
            try:
                do(found[0])
            except BaseException as exc:  # noqa: BLE001 - handed to whoever waits
                failures.append(exc)

    # Not a pool of concurrent.futures: the interpreter waits for its threads before it ends.
    crew = [threading.Thread(target=work, name="transfer", daemon=True) for _ in range(min(workers, len(pieces)))]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    if failures:
        raise failures[0]


def _next(waiting: Iterable[Piece], lock: threading.Lock) -> tuple[Piece] | None:
    with lock:
        for piece in waiting:
            return (piece,)
    return None
