"""What S3 services and boto3 say when something fails, in our words, with no secret in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from mlserve.errors import FetchFailed
from mlserve.storage import failure
from mlserve.storage.names import scrubbed

BUSY = {429, 500, 502, 503, 504}
_LOGIN = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed")
_UNREACHABLE = ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionError", "ProxyConnectionError")
_BROKEN = ("ConnectionClosedError", "IncompleteReadError", "ResponseStreamingError", "ProtocolError", "IncompleteRead")


class Wish(NamedTuple):
    """What was to be done, and the right that it takes."""

    done: str
    right: str


READING = Wish("fetched", "s3:GetObject and s3:ListBucket")
WRITING = Wish("written", "s3:PutObject")


class Changed(Exception):
    """An object was written over while it was read."""


class Damaged(Exception):
    """What came is not what the service says it has."""


@contextmanager
def explained(uri: str, bucket: str, wish: Wish = READING) -> Iterator[None]:
    """Turn what boto3 raises into FetchFailed."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        yield
    except ClientError as exc:
        raise _refused(uri, bucket, exc.response, wish) from None
    except Changed as exc:
        raise failure.failed(uri, "changed", str(exc), "try again once nobody writes there") from exc
    except Damaged as exc:
        hint = "try again; if it stays so, the service or what is between (a proxy) damages it"
        raise failure.failed(uri, "damaged", str(exc), hint, wish=wish.done) from exc
    except (BotoCoreError, HTTPClientError, Boto3Error) as exc:
        raise _unsent(uri, exc, wish) from None


def status_of(exc: BaseException) -> int:
    """The HTTP status that a service refused with; 0 where it is none."""
    response = getattr(exc, "response", None)
    return int(response["ResponseMetadata"]["HTTPStatusCode"]) if isinstance(response, dict) else 0


def is_unreachable(exc: BaseException) -> bool:
    """No connection at all, or one on which nothing was said."""
    kind = type(exc).__name__
    return kind in _UNREACHABLE or "Timeout" in kind


def is_transient(exc: BaseException) -> bool:
    """Whether the same request may well succeed in a moment."""
    return status_of(exc) in BUSY or is_unreachable(exc) or type(exc).__name__ in _BROKEN


def _refused(uri: str, bucket: str, response: Mapping[str, Any], wish: Wish) -> FetchFailed:
    failed = partial(failure.failed, wish=wish.done)
    code, status = str(response["Error"].get("Code", "")), response["ResponseMetadata"]["HTTPStatusCode"]
    if code == "NoSuchBucket" or (status == 404 and code not in ("NoSuchKey", "NoSuchUpload")):
        return failed(uri, "missing-bucket", f"there is no bucket {bucket!r}", "check its name and the endpoint")
    if status == 404:
        return failed(uri, "missing", "there is no such object", "check the path")
    if code in _LOGIN:
        return failed(uri, "denied", f"the credentials are not accepted ({code})", "check access key, secret and clock")
    if status in (401, 403):
        why = f"access is denied ({code})"
        why += "; without the right to list, a missing object looks the same" if wish is READING else ""
        return failed(uri, "denied", why, f"allow {wish.right} on {bucket}")
    if status in (301, 307, 400) and "region" in str(response["Error"].get("Message", "")).lower():
        return failed(uri, "region", "the bucket is in another region", "set AWS_REGION, or the endpoint of its region")
    return failed(uri, "server", f"the service answered {code or status}", "try again later")


def _unsent(uri: str, exc: Exception, wish: Wish) -> FetchFailed:
    failed = partial(failure.failed, wish=wish.done)
    kind = type(exc).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) where the hub runs"
        return failed(uri, "no-credentials", "no credentials were found", hint)
    if kind == "ProfileNotFound":
        return failed(uri, "no-credentials", str(exc), "check AWS_PROFILE where the hub runs")
    if kind == "SSLError":
        return failed(uri, "tls", "no safe connection", "AWS_CA_BUNDLE may name the authority's file")
    if kind in _UNREACHABLE:
        return failed(uri, "unreachable", "the endpoint does not answer", "check its name, the network and proxy")
    if kind == "ReadTimeoutError":
        return failed(uri, "unreachable", "the endpoint takes connections, but says nothing", "is the service well?")
    if kind in _BROKEN:
        return failed(uri, "broken-off", "the connection broke off", "try again: it goes on where it broke off")
    return failed(uri, "s3", scrubbed(f"{kind}: {exc}"), "check the address and the endpoint")
