"""A service's answer on stdout: JSON as JSON, bytes as they are."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

from mlserve.errors import InvalidInput
from mlserve_cli.render import Format, show


def show_answer(output: Format, answer: Any) -> None:
    """Print it; an answer that isn't JSON is written as it came, or in base64 where JSON was asked for."""
    if not isinstance(answer, bytes):
        answer = plain(answer)
        show(output, answer, lambda: json.dumps(answer, ensure_ascii=False))
        return
    if output is not Format.table:
        show(output, {"body": _text(answer)}, str)
        return
    if sys.stdout.isatty() and b"\0" in answer:
        raise InvalidInput("the answer is not text", hint="send it to a file: mlserve predict … > answer.bin")
    ended = b"\n" if sys.stdout.isatty() and not answer.endswith(b"\n") else b""  # a file gets the bytes alone
    sys.stdout.buffer.write(answer + ended)


def plain(value: Any) -> Any:
    """What JSON can hold of it: arrays as lists, bytes as text."""
    if isinstance(value, bytes):
        return _text(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _text(answer: bytes) -> str:
    try:
        return answer.decode()
    except UnicodeDecodeError:
        return base64.b64encode(answer).decode()
