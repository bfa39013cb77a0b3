"""Ask for bytes of an object with a request of our own: boto3's call takes more of a core than many objects do.

It is signed and sent by the parts of boto3's client that sign and send, so that keys, proxies, certificates, time
limits and connections are the same. What is not answered with bytes is asked by boto3, which knows why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from mlserve.storage.s3.explained import BUSY

_BYTES = (200, 206)


class Answer(NamedTuple):
    """Bytes that are about to come, and what is said of them. The names of the headers are in lower case."""

    body: Any
    headers: Mapping[str, str]


class Plain:
    """Requests for the bytes of objects in a bucket; for several threads."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket
        # These parts are botocore's own: a release of it may do without them, and then boto3 asks.
        self._ours = hasattr(client, "_request_signer") and hasattr(getattr(client, "_endpoint", None), "http_session")
        signed: str = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
        self._root = signed.partition("?")[0].removesuffix("k")

    def ask(self, key: str, etag: str, wanted: range | None) -> Answer:
        """Bytes of the object as long as it has this ETag; raises what boto3 raises."""
        more = {"If-Match": etag} if etag else {}
        if wanted is not None:
            more["Range"] = f"bytes={wanted.start}-{wanted.stop - 1}"
        found = self._asked(key, more) if self._ours else 0
        if isinstance(found, Answer):
            return found
        answer = self._by_boto3(key, more)
        if found not in BUSY:  # it gave what it had refused us: it wants something that only boto3 knows of
            self._ours = False
        return answer

    def _asked(self, key: str, headers: Mapping[str, str]) -> Answer | int:
        """The status where it is no answer with bytes."""
        from botocore.awsrequest import AWSRequest
        from botocore.response import StreamingBody

        request = AWSRequest("GET", self._root + quote(key, safe="/~"), headers=headers, stream_output=True)
        self._client._request_signer.sign("GetObject", request)
        answer = self._client._endpoint.http_session.send(request.prepare())
        if answer.status_code not in _BYTES:
            answer.raw.drain_conn()
            answer.raw.release_conn()
            return int(answer.status_code)
        said = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(StreamingBody(answer.raw, said["content-length"]), said)

    def _by_boto3(self, key: str, headers: Mapping[str, str]) -> Answer:
        more = {name.replace("-", ""): value for name, value in headers.items()}
        answer = self._client.get_object(Bucket=self._bucket, Key=key, **more)
        return Answer(answer["Body"], answer["ResponseMetadata"]["HTTPHeaders"])
