"""What a browser carries instead of a service's token, since it can't send that header by itself. Pure.

The value follows from the token, so that the gateway needs nobody to check it and a changed token ends it. It says
nothing of the token, opens one service alone, and is sent by browsers to that service's path alone.
"""

from __future__ import annotations

import hmac

MARK = "mlserve-login-"
"""How the names of all of them begin: the gateway takes them away before an instance sees the request."""
LOGIN_PATH = "/api/login/"
"""Where the gateway passes a one-time code to the hub."""
LOGIN_HEADER = "x-mlserve-login"
"""Set on such a request, by which its failure is told in its own words."""
_SECONDS = 24 * 3600


def cookie(service: str, token: str) -> str:
    """``name=value``. The name differs by token, so that gateways on one host don't overwrite each other's."""
    value = hmac.digest(token.encode(), f"a browser of {service}".encode(), "sha256").hex()
    return f"{MARK}{hmac.digest(value.encode(), b'name', 'sha256').hex()[:8]}={value}"


def set_cookie(service: str, token: str, prefix: str) -> str:
    """The header's text, for the path below ``prefix``: out of reach of scripts, and of other sites' forms."""
    return f"{cookie(service, token)}; Path={prefix}/{service}; Max-Age={_SECONDS}; HttpOnly; SameSite=Lax"
