"""Read protobuf's text format, as config.pbtxt files are written in it. Strict, and pure: no schema, no library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\f\v]+|\#[^\n]*)
  | (?P<line>\n)
  | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>-?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[fF]?)
  | (?P<mark>[{}<>\[\]:,;-])
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_CLOSING = {"{": "}", "<": ">"}
_DEEPEST = 50


class Malformed(ValueError):
    """The text is not in that format; its message has the line."""


Scalar = str | int | float
"""Bare words (the name of an enum's value, true, false) come as text."""


@dataclass(slots=True)
class Message:
    """The fields of a message, each with all its values in their order, and the line it begins in."""

    values: dict[str, list[Scalar | Message]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def all(self, name: str) -> list[Scalar | Message]:
        """Every value of a field; empty where it is not set."""
        return self.values.get(name, [])

    def messages(self, name: str) -> list[Message]:
        """Its values that are messages."""
        return [value for value in self.all(name) if isinstance(value, Message)]

    def text(self, name: str) -> str:
        """The last value of a field, as text; empty where it is not set or a message."""
        values = [value for value in self.all(name) if not isinstance(value, Message)]
        return str(values[-1]) if values else ""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parse(text: str) -> Message:
    """The message that a text stands for; raises Malformed."""
    return _Reader(list(_tokens(text))).message("", 0)


def _tokens(text: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Malformed(f"line {line}: {text[at : at + 12].splitlines()[0]!r} can't be read")
        at, kind = match.end(), str(match.lastgroup)
        if kind == "line":
            line += 1
        elif kind != "space":
            yield _Token(kind, match[0], line)
    yield _Token("end", "the end of the file", line)


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens, self._at = tokens, 0

    def message(self, closing: str, depth: int) -> Message:
        if depth > _DEEPEST:
            raise Malformed(f"line {self._next.line}: nested more than {_DEEPEST} levels deep")
        found = Message()
        while self._next.text != closing or self._next.kind != "mark":
            if self._next.kind == "end" and not closing:
                return found
            self._field(found, depth)
        self._take()
        return found

    def _field(self, into: Message, depth: int) -> None:
        name = self._take()
        if name.kind != "word":
            raise Malformed(f"line {name.line}: a field's name is expected, and there is {name.text}")
        colon = self._skip(":")
        if self._next.kind == "mark" and self._next.text in _CLOSING:
            values: list[Scalar | Message] = [self.message(_CLOSING[self._take().text], depth + 1)]
        elif self._skip("["):
            values = self._list(depth)
        elif colon:
            values = [self._scalar(name)]
        else:
            raise Malformed(f"line {name.line}: {name.text} is followed by {self._next.text}: a : or {{ is missing")
        into.values.setdefault(name.text, []).extend(values)
        into.lines.setdefault(name.text, name.line)
        if not self._skip(","):
            self._skip(";")

    def _list(self, depth: int) -> list[Scalar | Message]:
        found: list[Scalar | Message] = []
        while not self._skip("]"):
            if found and not self._skip(","):
                raise Malformed(f"line {self._next.line}: a , or ] is missing before {self._next.text}")
            if self._next.text in _CLOSING and self._next.kind == "mark":
                found.append(self.message(_CLOSING[self._take().text], depth + 1))
            else:
                found.append(self._scalar(self._next))
        return found

    def _scalar(self, after: _Token) -> Scalar:
        token = self._take()
        if token.kind == "mark" and token.text == "-":
            return -self._number(self._take())
        if token.kind == "word":
            return token.text
        if token.kind == "number":
            return self._number(token)
        if token.kind != "text":
            raise Malformed(f"line {after.line}: a value is missing after {after.text}, there is {token.text}")
        parts = [_unquoted(token.text)]
        while self._next.kind == "text":  # texts side by side are one
            parts.append(_unquoted(self._take().text))
        return "".join(parts)

    def _number(self, token: _Token) -> int | float:
        try:
            return (
                int(token.text, 0)
                if re.fullmatch(r"-?(0[xX][0-9a-fA-F]+|\d+)", token.text)
                else float(token.text.rstrip("fF"))
            )
        except ValueError:
            raise Malformed(f"line {token.line}: {token.text} is no number") from None

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        if token.kind == "end":
            raise Malformed(f"line {token.line}: it ends in the middle of a message: a closing }} is missing")
        self._at += 1
        return token

    def _skip(self, mark: str) -> bool:
        if self._next.kind == "mark" and self._next.text == mark:
            self._at += 1
            return True
        return False


def _unquoted(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1] or match[2]:
            return chr(int(match[1], 16) if match[1] else int(match[2], 8) & 255)
        return _ESCAPES.get(match[3], match[3])

    return _ESCAPE.sub(one, text[1:-1])
