"""What goes wrong over HTTP, in words, and with no secret of the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlserve.errors import FetchFailed
from mlserve.storage.failure import failed
from mlserve.storage.names import redacted

if TYPE_CHECKING:
    import httpx


def refused(uri: str, response: httpx.Response) -> FetchFailed:
    """A status that is no file."""
    status = response.status_code
    if status in (401, 403):
        return failed(
            uri,
            "denied",
            f"the server denies it ({status})",
            "give user:password@ in the address, or a signed one",
        )
    if status in (404, 410):
        return failed(uri, "missing", f"there is nothing there ({status})", "check the address")
    return failed(uri, "server", f"the server answered {status} {response.reason_phrase}", "try again later")


def broken(uri: str, exc: httpx.TransportError) -> FetchFailed:
    """A transfer that came to no end."""
    import httpx

    why = str(exc).replace(uri, redacted(uri)) or type(exc).__name__
    if "CERTIFICATE" in why.upper() or "SSL" in why.upper():
        return failed(
            uri,
            "tls",
            f"no safe connection: {why}",
            "SSL_CERT_FILE may name the authority's file",
        )
    if isinstance(exc, httpx.ConnectTimeout | httpx.ConnectError):
        return failed(uri, "unreachable", f"no connection: {why}", "check host name, network and HTTPS_PROXY")
    if isinstance(exc, httpx.TimeoutException):
        return failed(uri, "timeout", "no byte has come for too long", "try again: it goes on where it broke off")
    return failed(uri, "broken-off", why, "try again: it goes on where it broke off")


def web_page(uri: str) -> FetchFailed:
    """A page for people, in place of the file."""
    return failed(uri, "not-a-file", "a web page came, no file", "is it a login page? use the link to the file itself")
