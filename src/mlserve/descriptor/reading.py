"""From a file or text to a plain dict: JSON as published descriptors write it, or YAML. Bombs are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mlserve.descriptor.shapes import MAX_DEPTH
from mlserve.errors import InvalidDescriptor

MAX_BYTES = 4 * 2**20
_HINT = "mlserve validate FILE checks a descriptor without starting anything"


def read_file(path: str | Path) -> dict[str, Any]:
    """The fields of a service.json or service.yaml; raises InvalidDescriptor that names the line and column."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except IsADirectoryError as exc:
        raise _refused(f"{path} is a folder", hint=f"name the file in it: {path / 'service.json'}") from exc
    except FileNotFoundError as exc:
        raise _refused(f"there is no file {path}", hint="check the name, and the folder you are in") from exc
    except (OSError, ValueError) as exc:
        raise _refused(f"{path} can't be read: {getattr(exc, 'strerror', None) or exc}") from exc
    if len(data) > MAX_BYTES:
        raise _refused(f"{path} is larger than {MAX_BYTES >> 20} MB: that is no descriptor")
    return read_text(_decoded(data, str(path)), str(path))


def read_text(text: str, name: str = "descriptor") -> dict[str, Any]:
    """The fields of a descriptor's text; ``name`` says in errors where it is from, and by its suffix what it is."""
    if len(text) > MAX_BYTES:
        raise _refused(f"{name} is larger than {MAX_BYTES >> 20} MB: that is no descriptor")
    if _is_yaml(text, name):
        # Here and not at the top: a client that reads JSON does not pay for a YAML parser.
        from mlserve.descriptor.yaml_text import read_yaml

        value = read_yaml(text, name)
    else:
        value = _read_json(text, name)
    if not isinstance(value, dict):
        raise _refused(
            f"{name}: a descriptor is an object of fields, this is {'empty' if value is None else 'not one'}"
        )
    return value


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise _refused(f"{name} is not UTF-8 text (line {line})", hint="save it as UTF-8", line=line) from exc


def _is_yaml(text: str, name: str) -> bool:
    suffix = Path(name).suffix.lower()
    if suffix in (".json", ".yaml", ".yml"):
        return suffix != ".json"
    return not re.match(r"(?:\s|#[^\n]*\n|//[^\n]*\n)*[{\[]", text)


def _read_json(text: str, name: str) -> Any:
    _check_depth(text, name)
    try:
        return _loads(text, name)
    except json.JSONDecodeError:
        pass  # Perhaps only a comment or a trailing comma; what is left after those is reported.
    try:
        return _loads(_tidied(text), name)
    except json.JSONDecodeError as exc:
        what = f"{exc.msg[0].lower()}{exc.msg[1:]}"
        message = f"{name}, line {exc.lineno}, column {exc.colno}: {what}"
        raise _refused(message, line=exc.lineno, column=exc.colno) from None


def _loads(text: str, name: str) -> Any:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise _twice(text, name, twice)
        return result

    def constant(word: str) -> Any:
        raise _refused(f"{name}: {word} is not a number that JSON has")

    def whole(digits: str) -> int:
        if len(digits) > 20:
            raise _refused(f"{name}: the number {digits[:12]}… is too large to hold")
        return int(digits)

    return json.loads(text, object_pairs_hook=members, parse_constant=constant, parse_int=whole)


def _twice(text: str, name: str, key: str) -> InvalidDescriptor:
    pattern = re.compile(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:")
    lines = [text.count("\n", 0, match.start()) + 1 for match in pattern.finditer(text)]
    where = f" (lines {', '.join(map(str, lines[:5]))})" if lines else ""
    return _refused(f'{name}: "{key[:80]}" is written twice in the same object{where}', line=lines[-1] if lines else 1)


_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|#[^\n]*|//[^\n]*|/\*.*?\*/|[\[\]{}]|,(?=\s*[\]}])', re.DOTALL)


def _check_depth(text: str, name: str) -> None:
    depth = 0
    for match in _TOKENS.finditer(text):
        letter = match[0]
        if letter in ("{", "["):
            depth += 1
            if depth > MAX_DEPTH:
                line = text.count("\n", 0, match.start()) + 1
                raise _refused(f"{name}, line {line}: nested more than {MAX_DEPTH} levels deep", line=line)
        elif letter in ("}", "]"):
            depth -= 1


def _tidied(text: str) -> str:
    """The text with comments and trailing commas blanked out, every other character where it was."""

    def blank(match: re.Match[str]) -> str:
        return match[0] if match[0][0] in '"[]{}' else re.sub(r"[^\n]", " ", match[0])

    without_comments = _TOKENS.sub(lambda match: match[0] if match[0] == "," else blank(match), text)
    return _TOKENS.sub(blank, without_comments)


def _refused(message: str, *, hint: str = "", line: int | None = None, column: int | None = None) -> InvalidDescriptor:
    where = {key: value for key, value in (("line", line), ("column", column)) if value is not None}
    return InvalidDescriptor(
        message, hint=hint or _HINT, details=[{"pointer": "", "code": "invalid", "message": message, **where}]
    )
