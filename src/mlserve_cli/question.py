"""What a user wants to ask a service: ``--data``, ``--file`` or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from mlserve.errors import InvalidInput

Question = bytes | Path


def question(data: str | None, file: Path | None, source: str | None = None) -> Question | None:
    """The one that was given; None where none was. ``source`` ``-`` means standard input."""
    if sum(given is not None for given in (data, file, source)) > 1:
        raise InvalidInput("--data, --file and - are one or the other", hint="give just one of them")
    if source is not None and source != "-":
        raise InvalidInput(
            f'what does "{source}" mean here?', hint="give --data JSON, --file PATH, or - for standard input"
        )
    if source == "-" or (file is not None and str(file) == "-"):
        return sys.stdin.buffer.read()
    if file is not None:
        if not file.is_file():
            raise InvalidInput(f"there is no file {file}", hint="name the file with the request's body")
        return file
    return None if data is None else _json(data)


def _json(data: str) -> bytes:
    import json

    try:
        json.loads(data)
    except ValueError as exc:
        hint = (
            """quote it for the shell: --data '{"age": 27}'; anything else with --file PATH, or - for standard input"""
        )
        raise InvalidInput(f"--data is not JSON: {exc}", hint=hint) from exc
    return data.encode()
