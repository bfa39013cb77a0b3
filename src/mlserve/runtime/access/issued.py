"""Tokens that the hub issued (JWTs, ES256). What checks their signatures is loaded with the first one that comes."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn

import orjson

from mlserve.runtime.access.refusal import Refusal, Refused
from mlserve.runtime.access.told import Told

AUDIENCE = "evaluate"
_FORM = re.compile(rb"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\Z")
_LONGEST = 12 << 10
_CLOCKS_APART = 1
_HALF = 32
_LIMITED = "the token has a rate limit, which the gateway counts"
_ANOTHER = "mlserve token list shows what each one opens, mlserve token create makes another"


def looks_so(token: bytes) -> bool:
    """Whether it is to be looked at as one of them."""
    return len(token) <= _LONGEST and _FORM.match(token) is not None


def check(token: bytes, service: str, told: Told, now: float) -> None:
    """Raise Refused unless it opens the service now."""
    head, payload, signature = (_decoded(part) for part in token.split(b"."))
    key = told.keys.get(str(_object(head).get("kid")))
    if key is None or _object(head).get("alg") != "ES256":
        _refuse("it was signed with a key that is not valid (any more)")
    if not _signed(str(key["x"]), str(key["y"]), token.rpartition(b".")[0], signature):
        _refuse("its signature is wrong")
    claims = _object(payload)
    _check_dates(claims, now)
    if claims.get("iss") != told.issuer:
        _refuse("another hub issued it")
    if str(claims.get("jti")) in told.revoked:
        raise Refused(Refusal("the token was revoked", hint=_ANOTHER))
    if str(claims.get("jti")) in told.limited:
        raise Refused(Refusal(_LIMITED, 403, "refused", "ask through the gateway"))
    if AUDIENCE not in _texts(claims.get("aud")) or not _covers(_texts(claims.get("services")), service):
        raise Refused(Refusal(f'the token is not for service "{service}"', 403, "refused", _ANOTHER))


def _check_dates(claims: Mapping[str, Any], now: float) -> None:
    ends, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(ends, int | float) or not isinstance(begins, int | float):
        _refuse("it does not say when it ends")
    if now >= ends + _CLOCKS_APART:
        _refuse("it has expired")
    if now < begins - _CLOCKS_APART:
        _refuse("it is not valid yet")


def _covers(services: Sequence[str], name: str) -> bool:
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in services)


@lru_cache(maxsize=256)
def _signed(x: str, y: str, text: bytes, signature: bytes) -> bool:
    """Whether the key made the signature; remembered, since a client sends the same token again and again."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    except ImportError:
        hint = "send the service's own token, ask through the gateway, or update the service: its environment is older"
        raise Refused(
            Refusal("this instance can't check tokens of the hub: it has no cryptography", hint=hint)
        ) from None
    if len(signature) != 2 * _HALF:
        return False
    east, north = (int.from_bytes(_decoded(half.encode()), "big") for half in (x, y))
    key = ec.EllipticCurvePublicNumbers(east, north, ec.SECP256R1()).public_key()
    r, s = (int.from_bytes(half, "big") for half in (signature[:_HALF], signature[_HALF:]))
    try:
        key.verify(encode_dss_signature(r, s), text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _decoded(part: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        _refuse("it is damaged")


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        _refuse("it is damaged")
    return found


def _texts(value: Any) -> Sequence[str]:
    return [str(each) for each in value] if isinstance(value, list) else [value] if isinstance(value, str) else []


def _refuse(reason: str) -> NoReturn:
    raise Refused(Refusal(f"the token is not accepted: {reason}", hint=_ANOTHER))
