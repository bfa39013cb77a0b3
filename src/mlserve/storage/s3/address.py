"""What an ``s3://`` or ``oss://`` address says: endpoint, bucket, key. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from mlserve.storage.failure import failed

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
KEYS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) where the hub runs, then mlserve hub stop: "
    "the next command starts it with them, and what it serves goes on"
)
"""A hub has the environment of the command that started it; what is set later it never sees."""
_HINT = "write {scheme}://bucket/path; %-codes stand for what an address can't hold"


@dataclass(frozen=True, slots=True)
class Address:
    """One object, or all below a prefix (a key that ends in ``/``, or that no object has)."""

    scheme: str
    bucket: str
    key: str
    endpoint: str = ""
    """Where the address itself names the service: ``oss://bucket.oss-cn-hangzhou.aliyuncs.com/key`` (EAS's form),
    ``s3://host:port/bucket/key`` and ``s3://https://host/bucket/key`` (Triton's)."""

    def __str__(self) -> str:
        key = quote(self.key, safe="/+=,@:!$&'()*~")
        key = f"%2F{key[1:]}" if key.startswith("/") else key
        if not self.endpoint:
            return f"{self.scheme}://{self.bucket}/{key}"
        return f"{self.scheme}://{self.endpoint}/{self.bucket}/{key}"

    @property
    def prefix(self) -> str:
        """What the keys below it begin with."""
        return f"{self.key.rstrip('/')}/" if self.key else ""

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rstrip("/").rpartition("/")[2]

    def below(self, name: str) -> Address:
        """The object ``name`` of this folder."""
        return Address(self.scheme, self.bucket, self.prefix + name, self.endpoint)


def parse(uri: str) -> Address:
    """Read an address; raises FetchFailed (``invalid``)."""
    scheme, _, rest = uri.partition("://")
    endpoint, bucket, key = _parts(scheme, rest)
    hint = _HINT.format(scheme=scheme)
    if "@" in bucket or "@" in endpoint:
        raise failed(uri, "invalid", "credentials don't belong into an address", KEYS)
    if not bucket:
        raise failed(uri, "invalid", "it names no bucket", hint)
    if not _BUCKET.fullmatch(bucket):
        raise failed(uri, "invalid", f"{bucket[:80]!r} is no name of a bucket", hint)
    try:
        return Address(scheme, bucket, unquote(key.lstrip("/"), errors="strict"), endpoint)
    except UnicodeDecodeError as exc:
        raise failed(uri, "invalid", "its %-codes are not UTF-8", hint) from exc


def _parts(scheme: str, rest: str) -> tuple[str, str, str]:
    if rest.startswith(("http://", "https://")):
        transport, _, rest = rest.partition("://")
        host, _, rest = rest.partition("/")
        bucket, _, key = rest.partition("/")
        return f"{transport}://{host}", bucket, key
    first, _, key = rest.partition("/")
    if scheme == "oss" and "." in first:  # no name of an OSS bucket has a dot
        bucket, _, endpoint = first.partition(".")
        return endpoint, bucket, key
    if ":" in first and "@" not in first:
        bucket, _, key = key.partition("/")
        return first, bucket, key
    return "", first, key
