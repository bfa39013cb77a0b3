"""Tokens that the hub issues: what they say, how long, with which key, and who may ask the management API what."""

from __future__ import annotations

import json
from pathlib import Path

import jwt
import pytest
from tests.unit import jwt_kit as kit

from mlserve.errors import Denied, Forbidden, InvalidInput, MlserveError, NotFound
from mlserve.gateway.table import Access
from mlserve.gateway.tokens import services_json
from mlserve.hub.guard import EVERYTHING, Caller, allow
from mlserve.hub.keys import Keys
from mlserve.hub.store.sqlite import SqliteStore
from mlserve.hub.tokens import Tokens, Wanted, covers

DAY = 86400.0


class Box:
    """The tokens of a hub that can be started again, at a time of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.keys, self.store = home, Keys(home / "keys"), SqliteStore(home / "hub.db")
        self.tokens = Tokens(self.store, self.keys, "box")

    def again(self) -> Box:
        self.store.close()
        return Box(self.home)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def wanted(*services: str, scopes: tuple[str, ...] = ("manage",), seconds: float = DAY) -> Wanted:
    return Wanted(scopes, services, seconds)


def now() -> float:
    return float(kit.claims()["iat"])


def test_a_token_says_what_it_is_for_and_is_kept_nowhere(box: Box) -> None:
    token, text = box.tokens.issue(wanted("fraud*", "wine"), now())
    claims = jwt.decode(text, options={"verify_signature": False})
    assert (claims["services"], claims["aud"], claims["jti"]) == (["fraud*", "wine"], ["manage"], token.id)
    assert claims["exp"] - claims["iat"] == DAY
    assert box.tokens.check(text) == token
    box.store.close()
    for file in (path for path in box.home.rglob("*") if path.is_file()):
        assert text.encode() not in file.read_bytes()
        assert text.rpartition(".")[2].encode() not in file.read_bytes()


def test_keys_are_private_files_and_the_next_hub_has_them(box: Box) -> None:
    _, text = box.tokens.issue(wanted("*"), now())
    (file,) = (box.home / "keys").glob("*")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "d" not in json.loads(box.keys.all()[0].jwk), "the gateway never sees a private key"
    assert box.again().tokens.check(text).services == ("*",)


def test_what_nobody_could_use_is_refused(box: Box) -> None:
    for wrong in (
        wanted(), wanted("Fraud"), wanted("a b"), wanted("*x"), wanted("a*b"), wanted("a**"), wanted(""),
        wanted("a\n"), wanted(*["a"] * 101), wanted("a", scopes=()), wanted("a", scopes=("admin",)),
        wanted("a", seconds=0), wanted("a", seconds=-5), wanted("a", seconds=float("nan")), wanted("a", seconds=1e12),
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            box.tokens.issue(wrong, now())
    assert box.tokens.all() == []


def test_a_forged_token_is_none(box: Box) -> None:
    _, text = box.tokens.issue(wanted("*"), now())
    (key,) = box.keys.all()
    claims = jwt.decode(text, options={"verify_signature": False})
    head, payload, signature = text.split(".")
    theirs = kit.key()
    forged = [
        jwt.encode(claims, theirs, "ES256", headers={"kid": key.kid}),
        jwt.encode(claims, theirs, "ES256", headers={"kid": "other"}),
        jwt.encode(claims, theirs, "ES256"),
        jwt.encode(claims, theirs, "ES256", headers={"kid": key.kid, "jwk": json.loads(kit.jwk(theirs, key.kid))}),
        kit.unsigned("*", kid=key.kid), f"{head}.{payload}.", f"{head}.{payload}.{signature[:-2]}", "eyJ", "eyJ.e.e",
    ]  # fmt: skip
    for wrong in forged:
        with pytest.raises(Denied):
            box.tokens.check(wrong)
    signing = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).prepare_key(key.private)
    for change in ({"exp": 5}, {"exp": None}, {"aud": ["evaluate"]}, {"aud": None}, {"iss": "x"}, {"jti": "unknown"}):
        changed = {name: value for name, value in (claims | change).items() if value is not None}
        with pytest.raises(Denied):
            box.tokens.check(jwt.encode(changed, signing, "ES256", headers={"kid": key.kid}))


def test_a_revoked_token_is_none_also_for_the_next_hub(box: Box) -> None:
    token, text = box.tokens.issue(wanted("*", scopes=("evaluate", "manage")), now())
    assert box.tokens.revoke(token.id, now()) == box.tokens.revoke(token.id, now() + 5)
    for tokens in (box.tokens, box.again().tokens):
        with pytest.raises(Denied, match="revoked"):
            tokens.check(text)
        assert tokens.access(now()).revoked == {token.id}
        assert tokens.state(token, now()) == "valid"
        assert tokens.state(tokens.get(token.id), now()) == "revoked"
    with pytest.raises(NotFound):
        box.tokens.revoke("other", now())


def test_an_old_key_checks_until_its_last_token_has_expired(box: Box) -> None:
    _, long = box.tokens.issue(wanted("*", seconds=2 * DAY), now())
    old = box.keys.all()[0].kid
    box.tokens.rotate(now())
    assert box.tokens.keys()[1:] == [old]
    assert [key.kid for key in box.keys.all() if key.private] == [box.keys.all()[0].kid], "an old key can't sign"
    again = box.again()
    assert again.tokens.check(long)
    _, new = again.tokens.issue(wanted("*", seconds=4 * DAY), now())
    assert jwt.get_unverified_header(new)["kid"] != old
    again.tokens.rotate(now() + 3 * DAY)
    assert old not in {key.kid for key in again.keys.all()}
    assert again.tokens.check(new)
    with pytest.raises(Denied):
        again.tokens.check(long)


def test_removing_the_former_keys_ends_their_tokens(box: Box) -> None:
    token, text = box.tokens.issue(wanted("*"), now())
    box.tokens.rotate(now())
    box.tokens.remove_old()
    assert len(box.tokens.keys()) == 1
    assert box.tokens.state(token, now()) == "ended"
    with pytest.raises(Denied):
        box.tokens.check(text)
    box.tokens.rotate(now())
    box.tokens.remove_old()
    assert box.tokens.check(box.tokens.issue(wanted("*"), now())[1])


def test_a_lost_store_ends_every_token_as_nobody_knows_which_were_revoked(box: Box) -> None:
    _, text = box.tokens.issue(wanted("*"), now())
    box.store.close()
    for file in box.home.glob("hub.db*"):
        file.unlink()
    again = Box(box.home)
    assert again.keys.all() == []
    again.tokens.issue(wanted("*"), now())
    with pytest.raises(Denied):
        again.tokens.check(text)


def test_a_token_long_gone_is_forgotten(box: Box) -> None:
    box.tokens.issue(wanted("*", seconds=10), now() - 20 * DAY)
    token, _ = box.tokens.issue(wanted("*", seconds=10), now() - DAY)
    assert [(each.id, box.tokens.state(each, now())) for each in box.tokens.all()] == [(token.id, "expired")]
    assert box.tokens.access(now()).keys == (), "nobody has a token that the gateway would have to check"


def test_names_and_stars_cover_what_they_say() -> None:
    names = {"fraud", "fraud-lite", "frau", "wine"}
    for services, covered in (
        (["fraud"], {"fraud"}), (["fraud*"], {"fraud", "fraud-lite"}), (["*"], names), ([], set()),
        (["wine", "frau"], {"wine", "frau"}), (["fraud-*"], {"fraud-lite"}),
    ):  # fmt: skip
        assert {name for name in names if covers(services, name)} == covered


def test_the_gateway_reads_a_star_as_the_hub_does() -> None:
    names = ("a", "fraud", "fraud-lite_2", "x" * 63)
    services = {"*", *names, *(f"{name}*" for name in names), *(f"{name}x" for name in names), "f*", "x*"}
    policies = json.loads(services_json(Access("", ("{}",), services=frozenset(services))))["typed_config"]["rules"]
    for service in services:
        (permission,) = policies["policies"][service]["permissions"]
        (meant,) = permission["sourced_metadata"]["metadata_matcher"]["value"]["string_match"].items()
        for name in names:
            opened = {"exact": name == meant[1], "prefix": name.startswith(str(meant[1])), "safe_regex": True}[meant[0]]
            assert opened == covers([service], name), (service, name)


SOME, ALL = Caller("t1", ("fraud*",)), Caller("t2", ("*",))
OWN = [("GET", "/v1/services/fraud"), ("POST", "/v1/services/fraud-2/scale"), ("DELETE", "/v1/services/fraud")]
HELPFUL = [
    ("GET", "/v1/groups"), ("GET", "/v1/groups/shop"), ("POST", "/v1/groups/shop/traffic"),
    ("GET", "/v1/services"), ("POST", "/v1/services"), ("POST", "/v1/services/plan"), ("POST", "/v1/validate"),
    ("GET", "/v1/hub"),
    ("PUT", "/v1/content/blobs/abc"), ("POST", "/v1/content/trees"), ("GET", "/v1/resources/box"),
]  # fmt: skip
OTHERS = [
    ("GET", "/v1/services/wine"), ("GET", "/v1/services/wine/logs"), ("DELETE", "/v1/services/frau"),
    ("POST", "/v1/uploads"), ("POST", "/v1/builds"), ("GET", "/v1/hub/checks"), ("GET", "/v1/services/wine\n/fraud"),
    ("DELETE", "/v1/groups/shop"), ("GET", "/v1/groups/shop/more"), ("GET", "/v1/anything-new"),
    ("POST", "/v1//services/fraud"), ("GET", "/"),
]  # fmt: skip
OWNERS = [
    ("POST", "/v1/tokens"), ("GET", "/v1/tokens"), ("DELETE", "/v1/tokens/t2"), ("POST", "/v1/tokens/rotate"),
    ("POST", "/v1/hub/stop"), ("POST", "/v1/resources"), ("DELETE", "/v1/resources/box"), ("POST", "/v1/tokens/\n"),
]  # fmt: skip


def may(caller: Caller, asked: tuple[str, str]) -> bool:
    try:
        allow(caller, *asked)
    except Forbidden:
        return False
    return True


def test_each_may_ask_what_is_theirs() -> None:
    for caller, allowed in ((SOME, OWN + HELPFUL), (ALL, OWN + HELPFUL + OTHERS), (EVERYTHING, OWN + OTHERS + OWNERS)):
        assert [asked for asked in allowed if not may(caller, asked)] == []
    for caller, refused in ((SOME, OTHERS + OWNERS), (ALL, OWNERS)):
        assert [asked for asked in refused if may(caller, asked)] == []


def test_a_throw_away_service_belongs_to_whoever_has_the_one_it_stands_for() -> None:
    exact, asked = Caller("t3", ("fraud",)), ("GET", "/v1/services/fraud-test-abc123")
    with pytest.raises(Forbidden):
        allow(exact, *asked)
    allow(exact, *asked, lambda name: "fraud")


def test_forbidden_is_exit_5_and_status_403() -> None:
    assert (Forbidden.exit_code, Forbidden.status) == (5, 403)
    assert issubclass(Forbidden, Denied)
    assert issubclass(Forbidden, MlserveError)
