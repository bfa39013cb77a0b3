"""What S3 services and boto3 say when something fails, in our words, with no secret in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlserve.errors import FetchFailed
from mlserve.storage.failure import failed
from mlserve.storage.names import scrubbed
from mlserve.storage.s3.address import KEYS

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


@dataclass(slots=True)
class Scene:
    """What is asked where; ``endpoint`` is set as soon as it is known."""

    uri: str
    bucket: str
    wish: Wish
    endpoint: str = ""

    def failed(self, code: str, why: str, hint: str) -> FetchFailed:
        """That it failed, in the one form for it."""
        return failed(self.uri, code, why, hint, wish=self.wish.done)


@contextmanager
def explained(uri: str, bucket: str, wish: Wish = READING) -> Iterator[Scene]:
    """Turn what boto3 raises into FetchFailed."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    scene = Scene(uri, bucket, wish)
    try:
        yield scene
    except ClientError as exc:
        raise _refused(scene, exc.response) from None
    except Changed as exc:
        raise scene.failed("changed", str(exc), "try again once nobody writes there") from exc
    except Damaged as exc:
        hint = "try again; if it stays so, the service or what is between (a proxy) damages it"
        raise scene.failed("damaged", str(exc), hint) from exc
    except (BotoCoreError, HTTPClientError, Boto3Error) as exc:
        raise _unsent(scene, exc) from None


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


def _refused(scene: Scene, response: Mapping[str, Any]) -> FetchFailed:
    code, status = str(response["Error"].get("Code", "")), response["ResponseMetadata"]["HTTPStatusCode"]
    if code == "NoSuchBucket" or (status == 404 and code not in ("NoSuchKey", "NoSuchUpload")):
        return scene.failed("missing-bucket", f"there is no bucket {scene.bucket!r}", "check its name and the endpoint")
    if status == 404:
        return scene.failed("missing", "there is no such object", "check the path")
    if code in _LOGIN:
        return scene.failed(
            "denied", f"the credentials are not accepted ({code})", "check access key, secret and clock"
        )
    if status in (401, 403):
        why = f"access is denied ({code})"
        why += "; without the right to list, a missing object looks the same" if scene.wish is READING else ""
        return scene.failed("denied", why, f"allow {scene.wish.right} on {scene.bucket}")
    if status in (301, 307, 400) and "region" in str(response["Error"].get("Message", "")).lower():
        return scene.failed(
            "region", "the bucket is in another region", "set AWS_REGION, or the endpoint of its region"
        )
    return scene.failed("server", f"the service answered {code or status}", "try again later")


def _unsent(scene: Scene, exc: Exception) -> FetchFailed:
    kind, where = type(exc).__name__, scene.endpoint or "the endpoint"
    if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return scene.failed("no-credentials", "no credentials were found", KEYS)
    if kind == "ProfileNotFound":
        return scene.failed("no-credentials", str(exc), "check AWS_PROFILE where the hub runs")
    if kind == "SSLError":
        return scene.failed("tls", "no safe connection", "AWS_CA_BUNDLE may name the authority's file")
    if kind in _UNREACHABLE:
        return scene.failed("unreachable", f"{where} does not answer", "check its name, the network and proxy")
    if kind == "ReadTimeoutError":
        return scene.failed("unreachable", f"{where} takes connections, but says nothing", "is the service well?")
    if kind in _BROKEN:
        return scene.failed(
            "broken-off", f"the connection to {where} broke off", "try again: it goes on where it broke off"
        )
    return scene.failed("s3", scrubbed(f"{kind}: {exc}"), "check the address and the endpoint")
