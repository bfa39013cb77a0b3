"""TensorFlow SavedModels: the signature that is served, the version that wrote it, and files that are missing.

Reading one runs no Python code: it is a graph of known operations. Those that read and write files are named.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlserve.inspection.finding import Finding, damaged
from mlserve.inspection.protobuf import Broken, Field, fields, signed, text

ORDER = 15
SUFFIXES = (".pb",)
MARKERS = ("saved_model.pb",)
_TYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64", 9: "int64",
    10: "bool", 14: "bfloat16", 17: "uint16", 18: "complex128", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
_VARIABLES = {"VarHandleOp", "VariableV2", "Variable"}
_FILES = {
    "ReadFile", "WriteFile", "PyFunc", "PyFuncStateless", "EagerPyFunc", "PrintV2", "Save", "SaveSlices", "SaveDataset",
    "SaveDatasetV2", "LoadDataset", "SnapshotDataset", "SnapshotDatasetV2", "DistributedSave", "MatchingFiles",
    "CreateSummaryFileWriter", "CreateSummaryDbWriter", "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3",
    "DebugNanCount", "DebugNumericSummary", "DebugNumericSummaryV2", "ImmutableConst", "WholeFileReader",
    "WholeFileReaderV2", "TextLineReader", "TextLineReaderV2", "TFRecordReader", "TFRecordReaderV2",
    "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "TextLineDataset", "TFRecordDataset", "TFRecordDatasetV2",
    "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2", "CSVDataset", "CSVDatasetV2", "SqlDataset",
    "DataServiceDataset", "DataServiceDatasetV2", "DataServiceDatasetV3", "DataServiceDatasetV4",
    "RegisterDataset", "RegisterDatasetV2", "RpcCall", "RpcServerStart", "RpcClient",
}  # fmt: skip
_DEFAULT = "serving_default"


@dataclass(slots=True)
class _Graph:
    version: str = ""
    tags: list[str] = field(default_factory=list)
    operations: set[str] = field(default_factory=set)
    signatures: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = field(default_factory=dict)


def matches(head: bytes, suffix: str) -> bool:
    """By suffix."""
    return suffix in SUFFIXES


def read_folder(path: Path) -> Finding:
    """What the SavedModel in a folder says."""
    return read(path / "saved_model.pb")


def read(path: Path) -> Finding:
    """What a ``saved_model.pb`` says; a frozen graph is named as one."""
    if path.stat().st_size == 0:
        return damaged("tensorflow", "saved_model.pb is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        try:
            graphs = [_graph(view, entry) for entry in fields(view, 0, len(view)) if entry.number == 2]
            frozen = not graphs and any(entry.number == 1 and entry.is_bytes for entry in fields(view, 0, len(view)))
        except Broken as exc:
            return damaged("tensorflow", f"{path.name} is damaged or cut off: {exc}")
        finally:
            view.release()
    if frozen:
        return Finding(framework="tensorflow", notes=("a frozen graph: export it as a SavedModel",))
    if not graphs:
        return damaged("tensorflow", f"{path.name} is no SavedModel: there is no graph in it")
    return _finding(next((graph for graph in graphs if "serve" in graph.tags), graphs[0]), path.parent)


def _finding(graph: _Graph, folder: Path) -> Finding:
    names = [name for name in graph.signatures if not name.startswith("__")]
    served = _DEFAULT if _DEFAULT in names else names[0] if len(names) == 1 else ""
    inputs, outputs = graph.signatures.get(served, ([], []))
    files = tuple(sorted(graph.operations & _FILES))
    return Finding(
        format="tensorflow",
        framework="tensorflow",
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        dangerous=files,
        runs_code=f"its graph has operations that reach files or Python ({', '.join(files)})" if files else "",
        problems=tuple(_missing(graph, folder)),
        notes=() if served else (_unclear(names),),
        facts={"saved_with": f"tensorflow {graph.version}".strip(), "signatures": names},
    )


def _unclear(names: list[str]) -> str:
    if names:
        return f"it has the signatures {', '.join(names)}: choose one with signature_name in model_config"
    return "it was saved without a signature, so that it can't be asked"


def _missing(graph: _Graph, folder: Path) -> Iterator[str]:
    index = folder / "variables" / "variables.index"
    if graph.operations & _VARIABLES and not index.is_file():
        yield "its weights are missing: there is no variables/variables.index beside saved_model.pb"
    elif index.is_file() and not list(index.parent.glob("variables.data-*")):
        yield "its weights are missing: there is no variables/variables.data-… beside the index"


def _graph(data: memoryview, message: Field) -> _Graph:
    graph = _Graph()
    for entry in fields(data, message.start, message.end):
        if entry.number == 1 and entry.is_bytes:
            _read_info(data, entry, graph)
        elif entry.number == 2 and entry.is_bytes:
            _read_operations(data, entry, graph)
        elif entry.number == 5 and entry.is_bytes:
            _read_signature(data, entry, graph)
    return graph


def _read_info(data: memoryview, message: Field, graph: _Graph) -> None:
    for entry in fields(data, message.start, message.end):
        if entry.number == 4:
            graph.tags.append(text(data, entry))
        elif entry.number == 5:
            graph.version = text(data, entry)[:40]


def _read_operations(data: memoryview, message: Field, graph: _Graph) -> None:
    """Of the nodes themselves and of those in functions: the file's own list of operations need not be true."""
    for entry in fields(data, message.start, message.end):
        if entry.number == 1:
            graph.operations.update(_operation(data, entry))
        elif entry.number == 2:
            for function in _members(data, entry):
                for node in _members(data, function) if function.number == 1 else ():
                    graph.operations.update(_operation(data, node) if node.number == 3 else ())


def _operation(data: memoryview, node: Field) -> Iterator[str]:
    return (text(data, entry) for entry in _members(data, node) if entry.number == 2)


def _read_signature(data: memoryview, message: Field, graph: _Graph) -> None:
    """An entry of the map: its key, and inputs and outputs as maps of their own."""
    name, inputs, outputs = "", list[dict[str, Any]](), list[dict[str, Any]]()
    for entry in _members(data, message):
        if entry.number == 1:
            name = text(data, entry)
        elif entry.number == 2:
            for member in _members(data, entry):
                if member.number in (1, 2):
                    (inputs if member.number == 1 else outputs).append(_tensor(data, member))
    graph.signatures[name] = inputs, outputs


def _tensor(data: memoryview, message: Field) -> dict[str, Any]:
    found: dict[str, Any] = {"name": "", "type": "undefined", "shape": []}
    for entry in _members(data, message):
        if entry.number == 1:
            found["name"] = text(data, entry)
        for member in _members(data, entry) if entry.number == 2 else ():
            if member.number == 2 and not member.is_bytes:
                found["type"] = _TYPES.get(member.value, f"type {member.value}")
            elif member.number == 3:
                dims = [dim for dim in _members(data, member) if dim.number == 2]
                found["shape"] = [_size(data, dim) for dim in dims]
    return found


def _size(data: memoryview, message: Field) -> int:
    sizes = [signed(entry.value) for entry in _members(data, message) if entry.number == 1]
    return sizes[-1] if sizes and sizes[-1] > 0 else -1


def _members(data: memoryview, message: Field) -> Iterator[Field]:
    return fields(data, message.start, message.end) if message.is_bytes else iter(())
