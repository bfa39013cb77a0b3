"""Keys and tokens as the hub makes them, and as others would like to."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ISSUER = "mlserve:test"
LASTING = 6 * 3600
"""Seconds: longer than a run of all tests, at whose begin some tokens are made."""


def key() -> EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key: EllipticCurvePrivateKey, kid: str) -> str:
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return json.dumps({**public, "kid": kid, "alg": "ES256", "use": "sig"}, sort_keys=True)


def claims(*services: str, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {
        "iss": ISSUER, "aud": ["evaluate"], "jti": "t1", "iat": now, "exp": now + LASTING, "services": list(services)
    }  # fmt: skip
    return {name: value for name, value in (made | changes).items() if value is not None}


def token(key: EllipticCurvePrivateKey, kid: str, *services: str, **changes: Any) -> str:
    return jwt.encode(claims(*services, **changes), key, "ES256", headers={"kid": kid})


def unsigned(*services: str, alg: str = "none", kid: str = "k1") -> str:
    return ".".join([_part({"alg": alg, "typ": "JWT", "kid": kid}), _part(claims(*services)), ""])


def _part(data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def confused(key: EllipticCurvePrivateKey, kid: str, *services: str) -> str:
    """Signed with the public key as if it were a shared secret."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{_part(claims(*services))}"
    digest = hmac.digest(public, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
