"""Captured lines as objects below ``s3://bucket/prefix``; credentials and endpoint from the environment."""

from __future__ import annotations

import os
import time
from typing import Any
from urllib.parse import urlsplit

from mlserve.runtime.observe.libraries import needed

REQUIREMENTS: tuple[str, ...] = ("boto3>=1.34",)

_OBJECT = 4 << 20
_AGE_SECONDS = 30.0
_KEPT = 32 << 20


class CaptureS3:
    """An object for every 4 MB or 30 s. What can't be sent is tried again; beyond 32 MB, new lines are lost."""

    def __init__(self, to: str, service: str, version: int, *, age: float = _AGE_SECONDS) -> None:
        with needed(f"capture to {to}", REQUIREMENTS):
            import boto3
        parts = urlsplit(to)
        self._bucket, prefix = parts.netloc, parts.path.strip("/")
        self._prefix = "/".join(part for part in (prefix, service, f"v{version}") if part)
        self._client: Any = boto3.client("s3", config=_config())
        self._lines: list[bytes] = []
        self._size = self._number = 0
        self._age, self._since = age, time.monotonic()
        self.where = to

    def write(self, lines: bytes) -> None:
        if self._size > _KEPT:
            raise OSError(f"{self._size} bytes wait to be sent to {self.where}; more are not kept")
        if not self._lines:
            self._since = time.monotonic()
        self._lines.append(lines)
        self._size += len(lines)

    def tick(self) -> None:
        if self._lines and (self._size >= _OBJECT or time.monotonic() - self._since >= self._age):
            self._send()

    def close(self) -> None:
        if self._lines:
            self._send()

    def _send(self) -> None:
        self._since = time.monotonic()  # where it fails, the next try is not at once
        now = time.gmtime()
        name = f"{time.strftime('%Y/%m/%d/%H%M%S', now)}-{os.getpid()}-{self._number + 1:04}.jsonl"
        self._client.put_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}", Body=b"".join(self._lines))
        self._number += 1
        self._lines, self._size = [], 0


def _config() -> Any:
    from botocore.config import Config

    style = "path" if os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") else "virtual"
    return Config(
        connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2, "mode": "standard"},
        s3={"addressing_style": style},
    )  # fmt: skip
