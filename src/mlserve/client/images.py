"""Images of ours, as a hub builds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlserve.client.answer import Answer
from mlserve.client.submission import Source, draft
from mlserve.client.tables import html_table, text_table
from mlserve.client.uploads import Uploaded
from mlserve.errors import HubUnreachable, from_problem
from mlserve.management import Management

COLUMNS = ("image", "digest", "size", "layers")

OnLine = Callable[[str], None]
"""Called with each line that a build writes."""


class Image(Answer):
    """An image that was built: ``image`` (its name), ``digest``, ``size`` in bytes, ``layers``, ``pushed``, …"""

    _thing = "an image"

    image: str
    digest: str
    size: int
    layers: int
    pushed: str | None
    reused: bool
    port: int

    def __repr__(self) -> str:
        return text_table(COLUMNS, [self._row()])

    def _repr_html_(self) -> str:
        return html_table(COLUMNS, [self._row()])

    def _row(self) -> list[Any]:
        shown = {**self._data, "size": f"{self._data['size'] / 1e6:.0f} MB"}
        return [shown.get(column) for column in COLUMNS]


class Images:
    """``client.images``: build."""

    def __init__(self, management: Management) -> None:
        self._management = management

    def build(
        self,
        source: Source,
        *,
        set: Sequence[str] = (),
        tag: str = "",
        resource: str = "",
        push: bool = False,
        no_cache: bool = False,
        on_line: OnLine | None = None,
        on_upload: Uploaded | None = None,
    ) -> Image:
        """Pack a descriptor's runtime, model, code and requirements into one image, which serves with nothing else.

        ``tag``: ``REPOSITORY[:TAG]``, else ``mlserve/NAME:VERSION``; ``resource``: on which group's engine; ``push``:
        send it to the registry of its name. Raises BuildFailed, FetchFailed, InvalidDescriptor, ResourceUnavailable.
        """
        body = draft(source, set).submission(self._management, on_upload)
        wish = {**body, "tag": tag, "resource": resource, "push": push, "no_cache": no_cache}
        last: Mapping[str, Any] = {}
        for last in self._management.post_lines("/v1/builds", wish):
            if on_line and "line" in last:
                on_line(str(last["line"]))
        if "error" in last:
            raise from_problem(last["error"])
        if "result" not in last:
            raise HubUnreachable("the hub ended while it built the image", hint="mlserve hub logs tells why; try again")
        return Image(last["result"])
