"""Who is let in by an instance that is asked at its own address."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests import eas_client
from tests.unit import jwt_kit as kit

from mlserve.runtime.access import signed
from mlserve.runtime.access.gate import Gate
from mlserve.runtime.access.paths import within
from mlserve.runtime.access.signed import Clock

TOKEN, SECRET, BODY = "s3cret", "gateway-secret", b'{"x": [[1]]}'
OURS, THEIRS = kit.key(), kit.key()


def tell(folder: Path, **changes: Any) -> Path:
    """The file, replaced as the hub replaces it."""
    said = {"token": TOKEN, "public": False, "gateway": SECRET, "issuer": kit.ISSUER, "revoked": [], "limited": []}
    beside, file = folder / "beside", folder / "iris.json"
    beside.write_text(json.dumps(said | {"keys": [json.loads(kit.jwk(OURS, "k1"))]} | changes))
    beside.rename(file)
    return file


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tell(tmp_path), "iris")


def status(gate: Gate, authorization: str = "", path: str = "/", method: str = "POST", **headers: str) -> int:
    told = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    told |= {b"authorization": authorization.encode()} if authorization else {}
    why = gate.refusal(method, path, told, BODY)
    return 200 if why is None else why.status


def stamped(seconds: float) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))


def signature(
    path: str = "/api/predict/iris", *, token: str = TOKEN, body: bytes = BODY, at: float | None = None
) -> dict[str, str]:
    """The headers of a request as EAS's clients sign it, ``at`` being what they take for the time."""
    digest, date = hashlib.md5(body).hexdigest(), stamped(time.time() if at is None else at)
    text = "\n".join(["POST", digest, "application/octet-stream", date, path])
    made = base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()
    return {"authorization": f"EAS {made}", "content_md5": digest, "date": date}


def test_the_services_own_token_opens_it_bare_or_after_bearer(gate: Gate) -> None:
    assert [status(gate, form) for form in (TOKEN, f"Bearer {TOKEN}", f"bearer  {TOKEN}")] == [200] * 3
    assert [status(gate, form) for form in ("", "wrong", TOKEN[:-1], f"Basic {TOKEN}", f"{TOKEN} x", "é")] == [401] * 6


def test_only_health_and_the_page_for_people_need_no_token(gate: Gate) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/docs", "/api/predict/iris/v2/health/ready"):
        assert status(gate, path=path, method="GET") == 200
        assert status(gate, path=path) == 401, "posted, it may be somebody's own code that takes it"
    assert [status(gate, path=path, method="GET") for path in ("/", "/metrics", "/docs/x", "/drift")] == [401] * 4


def test_the_gateway_is_known_by_its_secret_and_by_nothing_else(gate: Gate, tmp_path: Path) -> None:
    assert gate.passed_on(SECRET.encode())
    assert not any(map(gate.passed_on, (b"", b"wrong", SECRET[:-1].encode(), TOKEN.encode())))
    assert gate.passed_on(f"of-another-member,{SECRET}".encode()), "as requests of a group come"
    assert not any(map(gate.passed_on, (b",", b"a,b", f"{SECRET},"[1:].encode())))
    tell(tmp_path, gateway="")
    assert not any(map(gate.passed_on, (b"", b",", SECRET.encode()))), "one that is unknown is nobody's"
    tell(tmp_path, gateway="another")
    assert gate.passed_on(b"another")
    assert not gate.passed_on(SECRET.encode())


def test_tokens_of_the_hub_open_what_they_name(gate: Gate) -> None:
    for services, expected in ((("iris",), 200), (("ir*",), 200), (("*",), 200), (("iri",), 403), (("wine",), 403)):
        assert status(gate, f"Bearer {kit.token(OURS, 'k1', *services)}") == expected
    assert status(gate, kit.token(OURS, "k1", "iris", aud=["manage"])) == 403
    assert status(gate, kit.token(OURS, "k1", "iris", aud="evaluate")) == 200


def test_forged_ended_and_foreign_tokens_open_nothing(gate: Gate) -> None:
    now, good = int(time.time()), kit.token(OURS, "k1", "iris")
    head, _, mark = good.split(".")
    wrong = [
        kit.token(THEIRS, "k1", "iris"), kit.token(OURS, "k2", "iris"), kit.token(OURS, "k1", "iris", exp=now - 5),
        kit.token(OURS, "k1", "iris", exp=None), kit.token(OURS, "k1", "iris", nbf=now + 60),
        kit.token(OURS, "k1", "iris", iss="another"), kit.unsigned("iris"), kit.confused(OURS, "k1", "iris"),
        f"{head}.{kit.unsigned('*').split('.')[1]}.{mark}", good[:-4], f"{head}..{mark}", f"{good}.x", "eyJ.eyJ.eyJ",
    ]  # fmt: skip
    assert [status(gate, each) for each in wrong] == [401] * len(wrong)
    assert status(gate, good) == 200


def test_what_the_hub_changes_is_in_force_with_the_next_request(gate: Gate, tmp_path: Path) -> None:
    made = kit.token(OURS, "k1", "iris")
    assert (status(gate, made), status(gate, "next")) == (200, 401)
    tell(tmp_path, revoked=["t1"], token="next")
    assert (status(gate, made), status(gate, "next"), status(gate, TOKEN)) == (401, 200, 401)
    tell(tmp_path, keys=[])
    assert status(gate, made) == 401
    tell(tmp_path, limited=["t1"])
    assert (status(gate, made), status(gate, TOKEN)) == (403, 200), "nobody would count its requests here"
    tell(tmp_path, public=True, token="")
    assert status(gate) == 200


def test_a_file_that_is_damaged_or_gone_changes_nothing_and_one_that_never_was_lets_nobody_in(tmp_path: Path) -> None:
    gate = Gate(file := tell(tmp_path), "iris")
    file.write_text("{")
    assert status(gate, TOKEN) == 200
    file.unlink()
    assert status(gate, TOKEN) == 200
    never = Gate(tmp_path / "never.json", "iris")
    assert (status(never, TOKEN), status(never), never.passed_on(b"")) == (401, 401, False)
    tell(tmp_path).rename(tmp_path / "never.json")
    assert status(never, TOKEN) == 200


def test_a_signed_request_needs_no_token(gate: Gate) -> None:
    assert status(gate, path="/api/predict/iris", **signature()) == 200
    assert status(gate, path="/", **signature()) == 200, "the gateway takes the prefix away"
    assert status(gate, path="/v1/x", **signature("/api/predict/iris/v1/x")) == 200
    assert status(gate, path="/api/predict/iris/v1/x", **signature()) == 200


def test_what_is_signed_for_a_group_is_checked_by_its_members(gate: Gate, tmp_path: Path) -> None:
    asked = signature("/api/predict/shop", token="of-shop")
    assert status(gate, **asked) == 401
    tell(tmp_path, groups={"shop": "of-shop"})
    assert status(gate, **asked) == 200
    assert status(gate, path="/v1/x", **asked) == 200
    assert status(gate, path="/v1/x", **signature("/api/predict/shop/v1/x", token="of-shop")) == 200
    assert status(gate, **signature()) == 200
    assert status(gate, **signature("/api/predict/shop.iris")) == 200, "as EAS names a member"
    assert status(gate, path="/v1/x", **signature("/api/predict/shop.iris/v1/x")) == 200
    for wrong in (
        signature("/api/predict/shop"), signature("/api/predict/shop.iris", token="of-shop"),
        signature("/api/predict/iris", token="of-shop"), signature("/api/predict/shops", token="of-shop"),
    ):  # fmt: skip
        assert status(gate, **wrong) == 401, "each token is for its own address"
    assert status(gate, "of-shop") == 401, "bare it is the gateway's to look at"


def test_the_client_of_eas_signs_as_is_checked_here(gate: Gate) -> None:
    for service, path in (("iris", "/api/predict/iris"), ("iris/v1/x", "/v1/x")):
        made = {name.lower(): value for name, value in eas_client.signature(service, TOKEN, BODY).items()}
        told = {name.encode(): value.encode() for name, value in made.items()}
        assert gate.refusal("POST", path, told, BODY) is None
        why = gate.refusal("POST", path, told, BODY + b" ")
        assert why is not None
        assert "Content-MD5" in why.message
    made = eas_client.signature("iris", TOKEN, BODY, zone="Asia/Shanghai")
    told = {name.lower().encode(): value.encode() for name, value in made.items()}
    why = gate.refusal("POST", "/", told, BODY)
    assert why is None or "Date" in why.message, "only where it is that late here, too"


def test_a_signature_is_for_one_body_one_path_and_one_token(gate: Gate) -> None:
    for wrong in (
        signature(token="another"), signature("/api/predict/wine"), signature(body=b"another"),
        signature() | {"content_md5": ""}, signature() | {"date": ""}, signature() | {"authorization": "EAS "},
        signature() | {"content_type": "text/plain"}, signature() | {"authorization": "EAS é"},
        signature() | {"authorization": signature()["authorization"].lower()},
    ):  # fmt: skip
        assert status(gate, path="/api/predict/iris", **wrong) == 401, wrong
    assert status(gate, path="/v1/y", **signature("/api/predict/iris/v1/x")) == 401
    assert status(gate, path="/", method="GET", **signature()) == 401


def test_a_service_without_a_token_can_not_be_signed_for(tmp_path: Path) -> None:
    gate = Gate(tell(tmp_path, token=""), "iris")
    assert status(gate, **signature(token="")) == 401
    assert status(gate, "Bearer ") == 401


def test_a_signature_holds_for_a_quarter_of_an_hour_in_utc_or_local_time() -> None:
    now, window = 1_800_000_000.0, signed.WINDOW
    eastern = Clock(now, 8 * 3600)
    for offset in (0, 8 * 3600):
        for near in (0, window, -window):
            assert eastern.near(stamped(now + offset + near))
        assert not any(eastern.near(stamped(now + offset + far)) for far in (window + 1, -window - 1))
    assert not Clock(now, 0).near(stamped(now + 8 * 3600))
    odd = ("", "now", stamped(now)[:-4], "Fri, 32 Jan 2027 08:00:00 GMT", "Fri, 15 Foo 2027 08:00:00 GMT")
    assert not any(eastern.near(date) for date in odd)


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/api/predict/iris", "/"), ("/api/predict/iris/", "/"), ("/api/predict/iris/v2/x", "/v2/x"),
        ("/api/predict/shop.iris/v2/x", "/v2/x"), ("/api/predict/iris.wine/x", "/api/predict/iris.wine/x"),
        ("/api/predict/iris//x", "/x"), ("/api/predict/iris2/x", "/api/predict/iris2/x"), ("/x", "/x"), ("/", "/"),
    ],
)  # fmt: skip
def test_the_path_of_the_service_is_left_out(path: str, own: str) -> None:
    assert within(path, "iris") == own
