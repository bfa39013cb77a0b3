"""Server reflection: tools such as grpcurl learn from the server itself what can be called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from mlserve.runtime.grpc import status
from mlserve.runtime.grpc.calls import Many
from mlserve.runtime.protobuf import Package


class Reflection:
    """What the packages define, told in the words of one version of the service."""

    def __init__(self, packages: Sequence[Package], own: Package) -> None:
        self._messages = own.messages
        self._services = [service for package in packages for service in package.services]
        self._files = {package.file.name: package.file.SerializeToString() for package in packages}
        self._symbols = {symbol: package.file.name for package in packages for symbol in _symbols(package.file)}

    def talk(self, call: Many) -> _Talk:
        return _Talk(self, call)

    def answer(self, message: bytes | memoryview) -> bytes:
        asked = self._messages["ServerReflectionRequest"].FromString(bytes(message))
        answer = self._messages["ServerReflectionResponse"](valid_host=asked.host, original_request=asked)
        which = asked.WhichOneof("message_request")
        if which == "list_services":
            for service in self._services:
                answer.list_services_response.service.add(name=service)
        elif which == "file_by_filename":
            self._file(answer, asked.file_by_filename)
        elif which == "file_containing_symbol":
            self._file(answer, self._symbols.get(asked.file_containing_symbol, ""))
        else:
            answer.error_response.error_code = status.NOT_FOUND
            answer.error_response.error_message = "nothing is extended here"
        written: bytes = answer.SerializeToString()
        return written

    def _file(self, answer: Any, name: str) -> None:
        if name in self._files:
            answer.file_descriptor_response.file_descriptor_proto.append(self._files[name])
        else:
            answer.error_response.error_code = status.NOT_FOUND
            answer.error_response.error_message = "no such file or symbol here"


class _Talk:
    """One call."""

    def __init__(self, reflection: Reflection, call: Many) -> None:
        self._reflection, self._call = reflection, call

    def message(self, message: bytes | memoryview) -> None:
        self._call.send(self._reflection.answer(message))
        self._call.done(len(message))

    def over(self) -> None:
        self._call.end()

    def gone(self) -> None:
        """Nothing is under way between two messages."""


def _symbols(file: FileDescriptorProto) -> Iterable[str]:
    for service in file.service:
        yield f"{file.package}.{service.name}"
        yield from (f"{file.package}.{service.name}.{method.name}" for method in service.method)
    for message in file.message_type:
        yield f"{file.package}.{message.name}"
    for enum in file.enum_type:
        yield f"{file.package}.{enum.name}"
