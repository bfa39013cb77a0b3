"""What is done for browsers: their cookie is checked and taken away, and what a web app says of its root is corrected.

A web app behind ``/api/predict/NAME`` mostly believes to be at ``/``. Its redirects (Location) and the Path of its
cookies are put under the service's path, unless it knows better (X-Forwarded-Prefix). Absolute links inside its pages
are left as they are: they can't be told from other text.

The script is in the listener, in three forms that routes name; a request whose route names none runs none.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from mlserve.gateway.cookie import MARK

PREFIX = "/api/predict"
LOGIN = "login"
"""A browser asks with its cookie."""
LOGIN_APP = "login-app"
"""The same, and a web app answers."""
APP = "app"
"""A web app answers to the token, or to anybody."""

_FILTER = "envoy.filters.http.lua"
_API = "type.googleapis.com/envoy.extensions.filters.http.lua.v3"
_ENTRIES = {
    LOGIN: "function envoy_on_request(h) take(h:headers()) refuse_foreign(h) end",
    LOGIN_APP: (
        "function envoy_on_request(h) remember_host(h) take(h:headers()) refuse_foreign(h) end\n"
        "envoy_on_response = correct"
    ),
    APP: "function envoy_on_request(h) remember_host(h) take(h:headers()) end\nenvoy_on_response = correct",
}


def browser_filter() -> dict[str, Any]:
    """The filter of the listener: off, unless a route names a form of the script."""
    text = resources.files("mlserve.gateway").joinpath("browser.lua").read_text(encoding="utf-8")
    text = text.replace("MARK", MARK).replace("PREFIX", PREFIX)
    codes = {name: {"inline_string": f"{text}\n{entry}\n"} for name, entry in _ENTRIES.items()}
    # The route was found by the cookie: it must not be looked for again once that is gone.
    options = {"source_codes": codes, "clear_route_cache": False}
    return {"name": _FILTER, "disabled": True, "typed_config": {"@type": f"{_API}.Lua", **options}}


def script(name: str) -> dict[str, Any]:
    """What a route says to have one run."""
    return {_FILTER: {"@type": f"{_API}.LuaPerRoute", "name": name}}
