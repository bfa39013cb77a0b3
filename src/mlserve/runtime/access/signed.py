"""Requests that are signed instead of carrying the token, as EAS's clients send them. Pure.

``Authorization: EAS <base64 of HMAC-SHA1>``, the key being the service's token, over the lines: method, Content-MD5
(hex), Content-Type, Date, path. The clients stamp their local time and call it GMT, so that either counts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NoReturn

from mlserve.runtime.access.refusal import Refusal, Refused

PREFIX = b"EAS "
WINDOW = 15 * 60
"""Seconds that clocks may differ by, and for which a request that somebody has overheard could be sent again."""

_DATE = re.compile(r"[A-Za-z]{3}, ([0-9]{1,2}) ([A-Za-z]{3}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT\Z")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_UNSAID = b"application/octet-stream"


def check(
    method: str, named: Iterable[tuple[bytes, str]], headers: Mapping[bytes, bytes], body: bytes, now: Clock
) -> None:
    """Raise Refused unless a token's owner signed this request now.

    ``named``: tokens, each with a path by which its owner may have named what was asked.
    """
    digest, date = headers.get(b"content-md5", b""), headers.get(b"date", b"")
    own = hashlib.md5(body, usedforsecurity=False).hexdigest().encode()
    if not hmac.compare_digest(digest.lower(), own):
        _refuse("Content-MD5 is missing or is not that of the body, in hex")
    kind = headers.get(b"content-type", _UNSAID)
    given = headers[b"authorization"][len(PREFIX) :].strip()
    made = [
        _signature(token, b"\n".join([method.encode(), digest, kind, date, path.encode("latin-1")]))
        for token, path in named
    ]
    if not any([hmac.compare_digest(given, one) for one in made]):  # noqa: C419 - all of them, whichever fits
        _refuse("it was not made with this service's token, or not for this request")
    if not now.near(date.decode("latin-1")):
        _refuse(f"its Date is more than {WINDOW // 60} minutes from now")


class Clock:
    """What time it is, ``offset`` being how many seconds local time is ahead of UTC."""

    __slots__ = ("offset", "seconds")

    def __init__(self, seconds: float, offset: int) -> None:
        self.seconds, self.offset = seconds, offset

    def near(self, date: str) -> bool:
        """Whether a Date is now, as UTC or as local time."""
        stamped = _seconds(date)
        if stamped is None:
            return False
        return any(abs(stamped - now) <= WINDOW for now in (self.seconds, self.seconds + self.offset))


def _signature(token: bytes, text: bytes) -> bytes:
    return base64.b64encode(hmac.digest(token, text.strip(), "sha1"))


def _seconds(date: str) -> float | None:
    found = _DATE.match(date)
    if found is None or found[2].lower() not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    try:
        stamped = datetime(year, _MONTHS.index(found[2].lower()) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return stamped.timestamp()


def _refuse(reason: str) -> NoReturn:
    hint = "sign with the service's token (mlserve describe shows it), with a right clock; or send the token itself"
    raise Refused(Refusal(f"the request's signature is not accepted: {reason}", hint=hint))
