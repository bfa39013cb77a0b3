"""The route of builds: what a build writes, line by line, then what it made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from mlserve.errors import MlserveError, to_problem
from mlserve.hub.api.bodies import SubmissionBody
from mlserve.hub.api.services import hub_of
from mlserve.hub.builds import Build, Builds, Wish

router = APIRouter(prefix="/v1/builds", tags=["builds"])


class BuildBody(SubmissionBody):
    """A descriptor whose image is to be built; ``no_cache``: each layer anew."""

    tag: str = ""
    resource: str = ""
    push: bool = False
    no_cache: bool = False

    def wish(self) -> Wish:
        """The same without pydantic."""
        return Wish(self.submission(), self.tag, self.resource, self.push, self.no_cache)


@router.post("", response_class=StreamingResponse)
async def build_image(request: Request, body: BuildBody) -> StreamingResponse:
    """One JSON object a line: ``{"line"}`` as they come, at last ``{"result"}`` or, as a problem, ``{"error"}``."""
    state = request.app.state
    builds = Builds(hub_of(request), state.preparer, state.settings.home)
    return StreamingResponse(_lines(builds, builds.read(body.wish())), media_type="application/x-ndjson")


async def _lines(builds: Builds, build: Build) -> AsyncIterator[str]:
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    task = asyncio.create_task(_told(builds, build, told))
    try:
        while True:
            entry = await told.get()
            yield json.dumps(entry) + "\n"
            if "line" not in entry:
                return
    finally:
        task.cancel()


async def _told(builds: Builds, build: Build, told: asyncio.Queue[dict[str, Any]]) -> None:
    try:
        result = await builds.run(build, lambda line: told.put_nowait({"line": line}))
    except MlserveError as exc:
        told.put_nowait({"error": to_problem(exc)})
    except Exception as exc:
        problem = MlserveError(f"the build ended with {type(exc).__name__}: {exc}", hint="mlserve hub logs has more")
        told.put_nowait({"error": to_problem(problem)})
        raise
    else:
        told.put_nowait({"result": result})
