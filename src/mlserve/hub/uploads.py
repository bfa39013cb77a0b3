"""Uploads to object storage that are under way: from the content store, with the hub's or a group's credentials."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlserve import storage
from mlserve.backends.aside import aside
from mlserve.errors import MlserveError, NotFound, to_problem

_REMEMBERED_SECONDS = 3600.0


@dataclass(slots=True)
class Upload:
    """One of them, as it goes."""

    id: str
    address: str
    state: str = "running"
    detail: str = ""
    done: int = 0
    total: int = 0
    error: dict[str, Any] | None = None
    ended_at: float | None = None

    def shown(self) -> dict[str, Any]:
        """As clients see it."""
        return {
            "id": self.id, "address": self.address, "state": self.state, "detail": self.detail,
            "done": self.done, "total": self.total, "error": self.error,
        }  # fmt: skip


class Uploads:
    """Those of one hub; each is forgotten an hour after its end."""

    def __init__(self, content: storage.ContentStore) -> None:
        self._content = content
        self._known: dict[str, Upload] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, digest: str, name: str, address: str, options: storage.FetchOptions) -> Upload:
        """Begin to write something of the content store to an address; raises NotFound."""
        self._forget_old()
        path = await aside(partial(self._content.raw, digest, name))
        upload = Upload(secrets.token_hex(8), address)
        self._known[upload.id] = upload
        task = asyncio.create_task(self._run(upload, partial(storage.put, path, address, options=options)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return upload

    def get(self, upload: str) -> Upload:
        """One of them; raises NotFound."""
        if upload not in self._known:
            hint = "the hub was started anew, or it ended long ago: the same upload again goes on where it was"
            raise NotFound(f"no upload {upload[:40]!r} is known", hint=hint)
        return self._known[upload]

    async def _run(self, upload: Upload, put: Any) -> None:
        meter = storage.Meter(lambda text: setattr(upload, "detail", text))

        def progress(done: int, total: int | None) -> None:
            upload.done, upload.total = done, total or 0
            meter(done, total)

        try:
            upload.address = await aside(partial(put, progress=progress))
            upload.state = "done"
        except MlserveError as exc:
            upload.state, upload.error = "failed", to_problem(exc)
        except OSError as exc:
            error = MlserveError(f"{exc.filename or 'a file'}: {exc.strerror or exc}", hint="send the files again")
            upload.state, upload.error = "failed", to_problem(error)
        finally:
            upload.ended_at = time.time()

    def _forget_old(self) -> None:
        before = time.time() - _REMEMBERED_SECONDS
        self._known = {key: one for key, one in self._known.items() if not one.ended_at or one.ended_at > before}
