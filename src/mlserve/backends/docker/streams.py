"""A stream of the SDK, which blocks, as one that does not."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")


async def follow(stream: Iterable[Item]) -> AsyncIterator[Item]:
    """The items of a stream that a thread reads; it is closed when nobody wants them any more."""
    loop = asyncio.get_running_loop()
    # Read one by one: a reader that is slow slows the stream instead of filling memory.
    items: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    wanted = threading.Semaphore(64)
    ended = threading.Event()

    def read() -> None:
        try:
            for item in stream:
                wanted.acquire()
                if ended.is_set():
                    return
                tell("item", item)
            tell("end", None)
        except Exception as exc:  # noqa: BLE001 - handed to whoever reads
            tell("error", exc)

    def tell(kind: str, value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(items.put_nowait, (kind, value))

    threading.Thread(target=read, name="stream", daemon=True).start()
    try:
        while True:
            kind, value = await items.get()
            wanted.release()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        ended.set()
        wanted.release()
        close_soon(stream)


def close_soon(stream: Any) -> None:
    """Close a stream that another thread may be reading; its reader then sees the end."""
    if hasattr(stream, "close"):
        threading.Thread(target=_close, args=(stream,), name="stream-close", daemon=True).start()


def _close(stream: Any) -> None:
    with contextlib.suppress(OSError, AttributeError):  # what has ended already has no socket to be closed
        stream.close()
