"""The keys that the hub signs its tokens with: a file each, readable by its user alone, the newest one signs.

Only public halves leave this file: whoever checks a token can't make one.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserve.errors import Denied

_ALGORITHM = "ES256"


@dataclass(frozen=True, slots=True)
class Key:
    """``private``: as PEM; empty once another key signs, since an old one only has to check."""

    kid: str
    created_at: float
    public: Mapping[str, Any]
    private: str = ""

    @property
    def jwk(self) -> str:
        """The public half, for whoever checks."""
        return json.dumps(self.public, sort_keys=True)


class Keys:
    """The keys below ``folder``; the first one is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys = {key.kid: key for key in self._read()}

    def all(self) -> Sequence[Key]:
        """Those that count, the newest, which signs, first."""
        return sorted(self._keys.values(), key=lambda key: (bool(key.private), key.created_at), reverse=True)

    def sign(self, claims: Mapping[str, Any], now: float) -> tuple[str, str]:
        """A token with these claims, and the id of the key that signed it."""
        import jwt  # a fifth of a second, which a hub without tokens need not spend

        signing = next((key for key in self.all() if key.private), None) or self.rotate(now)
        return jwt.encode(dict(claims), signing.private, _ALGORITHM, headers={"kid": signing.kid}), signing.kid

    def check(self, token: str, *, audience: str, issuer: str) -> Mapping[str, Any]:
        """The claims of a token that one of the keys signed for this audience, in its time; raises Denied."""
        import jwt

        try:
            key = self._keys[str(jwt.get_unverified_header(token).get("kid"))]
            public, wanted = jwt.PyJWK(dict(key.public)).key, ["exp", "iat", "jti", "iss", "aud"]
            claims: Mapping[str, Any] = jwt.decode(
                token, public, [_ALGORITHM], options={"require": wanted}, audience=audience, issuer=issuer
            )
        except KeyError:
            raise Denied(
                "the token was signed with a key that this hub does not have, or has no more", hint=_HINT
            ) from None
        except jwt.InvalidTokenError as exc:
            raise Denied(f"the token is not accepted: {exc}", hint=_HINT) from exc
        return claims

    def rotate(self, now: float) -> Key:
        """A new key signs from now on; the others go on checking."""
        import jwt
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        made = ec.generate_private_key(ec.SECP256R1())
        kid = secrets.token_hex(8)
        public = jwt.algorithms.ECAlgorithm.to_jwk(made.public_key(), as_dict=True)
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        new = Key(kid, now, {**public, "kid": kid, "alg": _ALGORITHM, "use": "sig"}, made.private_bytes(*form).decode())
        self._write(new)
        for old in [key for key in self._keys.values() if key.private and key.kid != kid]:
            self._write(Key(old.kid, old.created_at, old.public))
        return new

    def remove(self, kid: str) -> None:
        """No token of this key counts any more."""
        self._file(kid).unlink(missing_ok=True)
        self._keys.pop(kid, None)

    def _read(self) -> Sequence[Key]:
        files = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        return [Key(**json.loads(file.read_text())) for file in files]

    def _write(self, key: Key) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._folder / f".{key.kid}.{os.getpid()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            kept = {"kid": key.kid, "created_at": key.created_at, "public": dict(key.public), "private": key.private}
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._file(key.kid))
        self._keys[key.kid] = key

    def _file(self, kid: str) -> Path:
        return self._folder / f"{kid}.json"


_HINT = "mlserve token list shows the tokens that are valid, mlserve token create makes one"
