"""GET /openapi.json and /docs: what this service is, for programs and for people.

The gateway lets /docs through without a token: it says nothing of the service itself (see `documents.page`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.protocols.base import Call, Model, Page, simple_error

_HTML = b"text/html; charset=utf-8"
_ALONE = b"content-security-policy: frame-ancestors 'none'\r\nx-frame-options: DENY\r\ncache-control: no-cache\r\n"
"""A token is typed into the page: no other page may put it into a frame. (Its own policy can't say so.)"""


class Documents:
    """Written when they are asked for."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def infer(self) -> Mapping[str, Callable[[Request], Call]]:
        return {}

    def read(self) -> Mapping[str, Callable[[], Any]]:
        return {"/openapi.json": self.openapi, "/docs": self.page}

    def act(self) -> Mapping[str, Callable[[Request], Any]]:
        return {}

    def error(self, error: InvalidInput) -> bytes:
        return simple_error(error)

    def openapi(self) -> Any:
        from mlserve.runtime.documents.openapi import openapi

        return openapi(self._model)

    def page(self) -> Page:
        from mlserve.runtime.documents.page import DOCS_PAGE

        return Page(DOCS_PAGE, _HTML, _ALONE)
