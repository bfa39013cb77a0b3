"""Messages from .proto files, in a pool of their own: a model's library may bring the same names in its own words.

Reads the part of the language that the files beside need: messages in messages, enums, oneofs, maps and services.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

_TOKEN = re.compile(r'//[^\n]*|"[^"]*"|[A-Za-z_][A-Za-z0-9_.]*|[0-9]+|[{}()<>=;,]')
_SCALARS = {
    name: getattr(FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("double", "float", "int32", "int64", "uint32", "uint64", "bool", "string", "bytes")
}


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc."""

    path: bytes
    request: Any
    response: Any
    takes_many: bool
    """The client sends any number of messages."""


@dataclass(frozen=True, slots=True)
class Package:
    """What a .proto file defines: message classes by name, methods by name, and itself for reflection."""

    messages: dict[str, Any]
    methods: dict[str, Method]
    services: tuple[str, ...]
    file: FileDescriptorProto


def load(path: Path) -> Package:
    """The package of a file."""
    file = _File(path.name, _tokens(path.read_text(encoding="utf-8")))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file.proto)
    package = file.proto.package
    messages = {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{message.name}"))
        for message in file.proto.message_type
    }
    methods = {
        rpc.name: Method(
            f"/{package}.{service.name}/{rpc.name}".encode(),
            messages[rpc.input_type.rpartition(".")[2]],
            messages[rpc.output_type.rpartition(".")[2]],
            rpc.client_streaming,
        )
        for service in file.proto.service
        for rpc in service.method
    }
    return Package(messages, methods, tuple(f"{package}.{service.name}" for service in file.proto.service), file.proto)


def _tokens(text: str) -> list[str]:
    return [token for token in _TOKEN.findall(text) if not token.startswith("//")]


@dataclass
class _File:
    name: str
    tokens: list[str]
    proto: FileDescriptorProto = field(default_factory=FileDescriptorProto)
    enums: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.tokens.reverse()
        self.proto.name, self.proto.syntax = self.name, "proto3"
        while self.tokens:
            self._top(self._next())
        for message in self.proto.message_type:
            self._resolve(message, f".{self.proto.package}.{message.name}")

    def _top(self, word: str) -> None:
        if word == "syntax":
            self._skip("=", '"proto3"', ";")
        elif word == "package":
            self.proto.package = self._next()
            self._skip(";")
        elif word == "message":
            self._message(self.proto.message_type.add(name=self._next()))
        elif word == "enum":
            self._enum(self.proto.enum_type.add(name=self._next()))
        elif word == "service":
            self._service()
        else:
            raise ValueError(f"{self.name}: {word!r} is not understood")

    def _service(self) -> None:
        service = self.proto.service.add(name=self._next())
        for _ in self._block():
            rpc = service.method.add(name=self._next())
            rpc.client_streaming, rpc.input_type = self._operand()
            self._skip("returns")
            rpc.server_streaming, rpc.output_type = self._operand()
            self._skip(";")

    def _operand(self) -> tuple[bool, str]:
        self._skip("(")
        word = self._next()
        many = word == "stream"
        name = self._next() if many else word
        self._skip(")")
        return many, f".{self.proto.package}.{name}"

    def _message(self, message: DescriptorProto) -> None:
        for word in self._block():
            if word == "message":
                self._message(message.nested_type.add(name=self._next()))
            elif word == "enum":
                self._enum(message.enum_type.add(name=self._next()))
            elif word == "oneof":
                message.oneof_decl.add(name=self._next())
                for kind in self._block():
                    self._field(message, kind).oneof_index = len(message.oneof_decl) - 1
            elif word == "map":
                self._map(message)
            elif word == "repeated":
                self._field(message, self._next()).label = FieldDescriptorProto.LABEL_REPEATED
            else:
                self._field(message, word)

    def _field(self, message: DescriptorProto, kind: str) -> FieldDescriptorProto:
        name = self._next()
        self._skip("=")
        made = message.field.add(name=name, number=int(self._next()), label=FieldDescriptorProto.LABEL_OPTIONAL)
        _type(made, kind)
        self._skip(";")
        return made

    def _map(self, message: DescriptorProto) -> None:
        self._skip("<")
        key = self._next()
        self._skip(",")
        value = self._next()
        self._skip(">")
        entry = message.nested_type.add(name=f"{self.tokens[-1].title().replace('_', '')}Entry")
        entry.options.map_entry = True
        for number, (name, kind) in enumerate((("key", key), ("value", value)), 1):
            _type(entry.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL), kind)
        self._field(message, entry.name).label = FieldDescriptorProto.LABEL_REPEATED

    def _enum(self, enum: EnumDescriptorProto) -> None:
        self.enums.add(enum.name)
        for name in self._block():
            self._skip("=")
            enum.value.add(name=name, number=int(self._next()))
            self._skip(";")

    def _resolve(self, message: DescriptorProto, place: str) -> None:
        """Whole names for the types that fields name shortly: those inside the message first."""
        inner = {nested.name for nested in message.nested_type} | {enum.name for enum in message.enum_type}
        for made in message.field:
            if made.type_name:
                made.type = (
                    FieldDescriptorProto.TYPE_ENUM
                    if made.type_name in self.enums
                    else FieldDescriptorProto.TYPE_MESSAGE
                )
                made.type_name = f"{place if made.type_name in inner else self._above(place, made)}.{made.type_name}"
        for nested in message.nested_type:
            self._resolve(nested, f"{place}.{nested.name}")

    def _above(self, place: str, made: FieldDescriptorProto) -> str:
        """Where a type that is not inside the message lies: beside it, or at the top."""
        outer = place.rpartition(".")[0]
        top = f".{self.proto.package}"
        names = {
            f"{top}.{message.name}.{nested.name}"
            for message in self.proto.message_type
            for nested in message.nested_type
        }
        return outer if f"{outer}.{made.type_name}" in names else top

    def _block(self) -> Iterator[str]:
        """The first words of what stands between braces."""
        self._skip("{")
        while (word := self._next()) != "}":
            yield word

    def _skip(self, *words: str) -> None:
        for word in words:
            if (came := self._next()) != word:
                raise ValueError(f"{self.name}: {word!r} is missing before {came!r}")

    def _next(self) -> str:
        return self.tokens.pop()


def _type(made: FieldDescriptorProto, kind: str) -> None:
    if kind in _SCALARS:
        made.type = _SCALARS[kind]
    else:
        made.type_name = kind
