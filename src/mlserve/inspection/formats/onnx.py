"""ONNX: opset, producer, inputs and outputs, and the files that hold its weights."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mlserve.inspection.finding import Finding, damaged
from mlserve.inspection.protobuf import Broken, Field, fields, signed, text

ORDER = 20
SUFFIXES = (".onnx",)
_MAX_TENSORS = 200_000
_TYPES = """
    undefined float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 complex64 complex128
    bfloat16 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz uint4 int4 float4e2m1
    """.split()  # noqa: SIM905 - a list of one word a line is no easier to read


def matches(head: bytes, suffix: str) -> bool:
    """By suffix; without one, by a small ir_version and the field that follows it."""
    return suffix in SUFFIXES or (
        suffix == "" and len(head) > 3 and head[0] == 8 and 3 <= head[1] <= 20 and head[2] in (0x12, 0x3A, 0x42)
    )


@dataclass(slots=True)
class _Model:
    ir_version: int = 0
    producer: str = ""
    producer_version: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    graph: Field | None = None
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    initializers: set[str] = field(default_factory=set)
    external: set[str] = field(default_factory=set)
    nodes: int = 0


def read(path: Path) -> Finding:
    """What an ONNX file says."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        try:
            model = _read_model(view)
        except Broken as exc:
            return damaged("onnx", f"the ONNX file is damaged or cut off: {exc}")
        finally:
            view.release()
    if model.graph is None or not model.ir_version:
        return damaged("onnx", "it is not an ONNX model: there is no graph in it")
    return Finding(
        format="onnx",
        opset=model.opsets.get(""),
        inputs=tuple(tensor for tensor in model.inputs if tensor["name"] not in model.initializers),
        outputs=tuple(model.outputs),
        problems=tuple(_problems(model, path.parent)),
        facts=_facts(model),
    )


def _problems(model: _Model, folder: Path) -> Iterator[str]:
    if not model.outputs:
        yield "the ONNX graph has no outputs"
    if not model.opsets:
        yield "the ONNX file names no opset"
    for name in sorted(model.external):
        inside = name and not name.startswith("/") and ".." not in PurePosixPath(name).parts and "\0" not in name
        if not inside:
            yield f'its weights are in "{name}", outside its own folder'
        elif not (folder / name).is_file():
            yield f'the file "{name}" with its weights is missing beside it'


def _facts(model: _Model) -> Mapping[str, Any]:
    domains = {domain: version for domain, version in model.opsets.items() if domain}
    producer = f"{model.producer} {model.producer_version}".strip()
    return {"ir_version": model.ir_version, "producer": producer, "nodes": model.nodes} | (
        {"domains": domains} if domains else {}
    )


def _read_model(data: memoryview) -> _Model:
    model = _Model()
    for entry in fields(data, 0, len(data)):
        if entry.number == 1:
            model.ir_version = entry.value
        elif entry.number == 2:
            model.producer = text(data, entry)
        elif entry.number == 3:
            model.producer_version = text(data, entry)
        elif entry.number == 7 and entry.is_bytes:
            model.graph = entry
        elif entry.number == 8:
            domain, version = _opset(data, entry)
            model.opsets["" if domain == "ai.onnx" else domain] = version
    if model.graph:
        _read_graph(data, model.graph, model)
    return model


def _read_graph(data: memoryview, graph: Field, model: _Model) -> None:
    for entry in fields(data, graph.start, graph.end):
        if entry.number == 1:
            model.nodes += 1
        elif entry.number == 5:
            if len(model.initializers) > _MAX_TENSORS:
                raise Broken("it has too many tensors")
            _read_tensor(data, entry, model)
        elif entry.number == 11:
            model.inputs.append(_value(data, entry))
        elif entry.number == 12:
            model.outputs.append(_value(data, entry))


def _read_tensor(data: memoryview, tensor: Field, model: _Model) -> None:
    name, location, external = "", "", False
    for entry in fields(data, tensor.start, tensor.end):
        if entry.number == 8:
            name = text(data, entry)
        elif entry.number == 13:
            key, value = _pair(data, entry)
            location = value if key == "location" else location
        elif entry.number == 14:
            external = entry.value == 1
    model.initializers.add(name)
    if external:
        model.external.add(location)


def _pair(data: memoryview, message: Field) -> tuple[str, str]:
    found = {entry.number: text(data, entry) for entry in fields(data, message.start, message.end)}
    return found.get(1, ""), found.get(2, "")


def _opset(data: memoryview, message: Field) -> tuple[str, int]:
    domain, version = "", 0
    for entry in fields(data, message.start, message.end):
        if entry.number == 1:
            domain = text(data, entry)
        elif entry.number == 2:
            version = signed(entry.value)
    return domain, version


def _value(data: memoryview, message: Field) -> dict[str, Any]:
    name, kind, shape = "", "undefined", list[int]()
    for entry in fields(data, message.start, message.end):
        if entry.number == 1:
            name = text(data, entry)
        elif entry.number == 2:
            kind, shape = _type(data, entry)
    return {"name": name, "type": kind, "shape": shape}


def _type(data: memoryview, message: Field) -> tuple[str, list[int]]:
    for entry in fields(data, message.start, message.end):
        if entry.number == 1:
            return _tensor_type(data, entry)
        if entry.number in (4, 5, 8, 9):
            return {4: "sequence", 5: "map", 8: "sparse tensor", 9: "optional"}[entry.number], []
    return "undefined", []


def _tensor_type(data: memoryview, message: Field) -> tuple[str, list[int]]:
    kind, shape = "undefined", list[int]()
    for entry in fields(data, message.start, message.end):
        if entry.number == 1:
            kind = _TYPES[entry.value] if entry.value < len(_TYPES) else f"type {entry.value}"
        elif entry.number == 2:
            shape = [_dimension(data, dim) for dim in fields(data, entry.start, entry.end) if dim.number == 1]
    return kind, shape


def _dimension(data: memoryview, message: Field) -> int:
    sizes = [signed(entry.value) for entry in fields(data, message.start, message.end) if entry.number == 1]
    return sizes[-1] if sizes and sizes[-1] > 0 else -1
