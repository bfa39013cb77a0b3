"""Put files into a bucket: in parallel, in parts where they are large, going on with an upload that broke off."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mlserve.errors import FetchFailed
from mlserve.storage.base import Progress
from mlserve.storage.crew import share
from mlserve.storage.manifest import Source, open_regular
from mlserve.storage.patience import Patience
from mlserve.storage.s3 import proof
from mlserve.storage.s3.client import WORKERS
from mlserve.storage.s3.explained import Damaged, is_transient, is_unreachable, status_of
from mlserve.storage.s3.tally import Tally

PART = 8 << 20
_MOST_PARTS = 9_999


@dataclass(slots=True)
class Upload:
    """One upload of some files below ``prefix``."""

    client: Any
    bucket: str
    progress: Progress
    patience: Patience
    _tally: Tally = field(init=False)

    def run(self, files: Sequence[tuple[str, Source]]) -> None:
        """Bring each file under its key; what is there already with the same bytes is left alone."""
        self._tally = Tally(self.progress, sum(source.size for _, source in files))
        share([one for one in files if one[1].size <= PART], lambda one: self._whole(*one), workers=WORKERS)
        for key, source in files:
            if source.size > PART:
                self._in_parts(key, source)

    def _whole(self, key: str, source: Source) -> None:
        with open_regular(source.file) as file:
            data = file.read()
        digest = hashlib.md5(data, usedforsecurity=False)
        if self._etag(key, len(data)) != digest.hexdigest():
            proof_of = base64.b64encode(digest.digest()).decode()
            self._ask(lambda: self._sent("put_object", Key=key, Body=data, ContentMD5=proof_of))
        self._tally.add(source.size)

    def _in_parts(self, key: str, source: Source) -> None:
        size = max(PART, -(-source.size // _MOST_PARTS))
        count = -(-source.size // size)
        if self._etag(key, source.size) == (whole := proof.parts_etag(source.file, size, count)):
            self._tally.add(source.size)
            return
        upload, there = self._begun(key)
        etags = dict[int, str]()

        def send(number: int) -> None:
            with open_regular(source.file) as file:
                file.seek((number - 1) * size)
                data = file.read(size)
            digest = hashlib.md5(data, usedforsecurity=False)
            if there.get(number) != (len(data), digest.hexdigest()):
                self._send_part(key, upload, number, data, base64.b64encode(digest.digest()).decode())
            etags[number] = f'"{digest.hexdigest()}"'
            self._tally.add(len(data))

        share(range(1, count + 1), send, workers=WORKERS)
        parts = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
        answer = self._ask(
            lambda: self._sent("complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
        )
        found = str(answer.get("ETag", "")).strip('"')
        if proof.parts_of(found) and not answer.get("ServerSideEncryption") and found != whole:
            raise Damaged(f"{source.path} changed or was damaged on its way: its ETag is {found}, not {whole}")

    def _send_part(self, key: str, upload: str, number: int, data: bytes, md5: str) -> None:
        self._ask(
            lambda: self._sent("upload_part", Key=key, UploadId=upload, PartNumber=number, Body=data, ContentMD5=md5)
        )

    def _begun(self, key: str) -> tuple[str, dict[int, tuple[int, str]]]:
        """An upload of this key that broke off, with the parts that are there; else a new one."""
        found = [one for one in self._unfinished(key) if one["Key"] == key]
        if not found:
            return str(self._ask(lambda: self._sent("create_multipart_upload", Key=key))["UploadId"]), {}
        upload = str(max(found, key=lambda one: one["Initiated"])["UploadId"])
        pages = self.client.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=key, UploadId=upload)
        parts = [part for page in pages for part in page.get("Parts", ())]
        return upload, {part["PartNumber"]: (part["Size"], part["ETag"].strip('"').lower()) for part in parts}

    def _unfinished(self, key: str) -> list[dict[str, Any]]:
        from botocore.exceptions import ClientError

        try:
            answer = self._ask(lambda: self._sent("list_multipart_uploads", Prefix=key))
        except ClientError as exc:
            if status_of(exc) not in (403, 404, 405, 501):
                raise
            return []  # who may write need not be allowed to list; then it starts anew
        return list(answer.get("Uploads", ()))

    def _etag(self, key: str, size: int) -> str:
        """Of the object that is there now, where it has as many bytes."""
        from botocore.exceptions import ClientError

        try:
            head = self._ask(lambda: self._sent("head_object", Key=key))
        except ClientError as exc:
            if status_of(exc) not in (403, 404):
                raise
            return ""
        return str(head.get("ETag", "")).strip('"').lower() if head["ContentLength"] == size else ""

    def _sent(self, operation: str, **arguments: Any) -> Any:
        return getattr(self.client, operation)(Bucket=self.bucket, **arguments)

    def _ask(self, ask: Any) -> Any:
        return self.patience.each(ask, _judged)


def _judged(exc: Exception) -> tuple[bool, bool]:
    return not isinstance(exc, FetchFailed) and is_transient(exc), is_unreachable(exc)
