"""Why a request is not let in, in the words that the gateway has for the same."""

from __future__ import annotations

import json
from dataclasses import dataclass

_HINT = "send the header 'Authorization: TOKEN'; mlserve describe shows the token"


@dataclass(frozen=True, slots=True)
class Refusal:
    """``status`` as HTTP counts: 401 where a better token helps, 403 where this one is for something else."""

    message: str
    status: int = 401
    code: str = "denied"
    hint: str = _HINT

    @property
    def body(self) -> bytes:
        """The reply, as JSON."""
        return json.dumps({"error": self.message, "code": self.code, "hint": self.hint}).encode()

    @property
    def headers(self) -> bytes:
        """The header lines that go with it."""
        return b"www-authenticate: Bearer\r\n" if self.status == 401 else b""


class Refused(Exception):
    """A token or a signature that opens nothing here."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
