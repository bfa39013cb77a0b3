"""The cookie that stands for a token, and the routes that take it."""

from __future__ import annotations

from tests.unit.test_gateway_table import routes_of

from mlserve.gateway.cookie import cookie, set_cookie
from mlserve.gateway.routes import login_json
from mlserve.gateway.table import Route, Table


def test_a_cookie_follows_from_service_and_token_and_says_neither() -> None:
    made = cookie("iris", "s3cret")
    assert made == cookie("iris", "s3cret")
    assert len({made, cookie("iris", "s3cret2"), cookie("wine", "s3cret")}) == 3
    assert "s3cret" not in made
    name, _, value = made.partition("=")
    assert len(value) == 64
    assert name[-8:] not in value, "a name is shown where the value is not"


def test_a_cookie_is_for_one_services_path_and_out_of_scripts_reach() -> None:
    text = set_cookie("iris", "t", "/api/predict")
    assert text.split("; ")[1:] == ["Path=/api/predict/iris", "Max-Age=86400", "HttpOnly", "SameSite=Lax"]


def test_who_sends_the_token_is_not_held_up_by_what_browsers_need() -> None:
    for web in (True, False):
        routes = routes_of(Table((), (Route("iris", ((1, 1),), token="t", web=web),)), "iris")
        asked = [[header["name"] for header in entry["match"].get("headers", ())] for entry in routes]
        places = {
            name: [place for place, names in enumerate(asked) if name in names] for name in ("authorization", "cookie")
        }
        assert places["authorization"] == [0, 1, 2], "a version that is not there, a WebSocket, all others"
        assert min(places["cookie"]) > 2
        assert asked[-1] == [], "whoever has neither is refused"


def test_only_web_apps_are_sent_to_their_slash_and_have_their_answers_looked_at() -> None:
    scripts = {}
    for web in (True, False):
        for token in ("t", None):
            routes = routes_of(Table((), (Route("iris", ((1, 1),), token=token, web=web),)), "iris")
            assert sum("redirect" in entry for entry in routes) == int(web)
            found = [entry.get("typed_per_filter_config", {}).values() for entry in routes if "route" in entry]
            scripts[web, token] = [next(iter(filters), {}).get("name") for filters in found]
    assert scripts[True, "t"] == ["app", "app", "login-app", "login-app"]
    assert scripts[True, None] == ["app", "app"]
    assert scripts[False, "t"] == [None, None, "login", "login"]
    assert scripts[False, None] == [None, None]


def test_a_one_time_code_is_passed_on_once() -> None:
    assert '"retry_on":"connect-failure,refused-stream"' in login_json()
