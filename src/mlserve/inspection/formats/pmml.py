"""PMML: fields, model, and what wrote it. XML is read as a stream, without entities: they could be bombs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from mlserve.inspection.finding import Finding, damaged

ORDER = 13
SUFFIXES = (".pmml", ".xml")
_CHUNK = 1 << 20
_MAX_BYTES = 1 << 30
_TYPES = {"double": "float64", "float": "float32", "integer": "int64", "boolean": "bool", "string": "string"}


def matches(head: bytes, suffix: str) -> bool:
    """By suffix, or by the root element; other XML is not ours."""
    return suffix == ".pmml" or (b"<PMML" in head and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"))


class _Unsafe(Exception):
    """The document declares entities or a document type."""


@dataclass(slots=True)
class _Document:
    version: str = ""
    application: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    usage: dict[str, str] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    model: str = ""
    function: str = ""
    path: list[str] = field(default_factory=list)
    root: str = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self.path.append(name)
        self.root = self.root or name
        if len(self.path) > 200:
            raise _Unsafe("it is nested too deep")
        own = len(self.path) <= 4
        if name == "PMML":
            self.version = attributes.get("version", "")
        elif name == "Application" and own:
            self.application = f"{attributes.get('name', '')} {attributes.get('version', '')}".strip()
        elif name == "DataField" and own:
            self.fields[attributes.get("name", "")] = attributes.get("dataType", "")
        elif len(self.path) == 2 and "functionName" in attributes:
            self.model, self.function = name, attributes["functionName"]
        elif name == "MiningField" and len(self.path) == 4:
            self.usage[attributes.get("name", "")] = attributes.get("usageType", "active")
        elif name == "OutputField" and len(self.path) == 4:
            kind = _TYPES.get(attributes.get("dataType", ""), "undefined")
            self.outputs.append({"name": attributes.get("name", ""), "type": kind, "shape": [-1]})

    def end(self, name: str) -> None:
        self.path.pop()


def read(path: Path) -> Finding:
    """What a PMML document says of its fields."""
    if path.stat().st_size > _MAX_BYTES:
        return Finding(format="pmml", notes=("too large to be looked into",))
    document = _Document()
    try:
        _parse(path, document)
    except _Unsafe as exc:
        return damaged("pmml", f"the PMML document is refused: {exc}")
    except (expat.ExpatError, UnicodeError, ValueError, LookupError) as exc:
        return damaged("pmml", f"the PMML document is damaged or cut off: {str(exc)[:100]}")
    if document.root != "PMML":
        return Finding(notes=(f"XML, but no PMML: it is <{document.root[:40]}>",))
    return _finding(document)


def _parse(path: Path, document: _Document) -> None:
    parser = expat.ParserCreate()
    parser.StartElementHandler = document.start
    parser.EndElementHandler = document.end
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)


def _refuse(*_: Any) -> None:
    raise _Unsafe("it declares a document type or entities, which PMML has no need of")


def _finding(document: _Document) -> Finding:
    active = [name for name in document.fields if document.usage.get(name, "") == "active"]
    target = [name for name, usage in document.usage.items() if usage in ("target", "predicted")]
    problems = () if document.model else ("the PMML document has no model in it",)
    facts = {
        "version": document.version,
        "producer": document.application,
        "model": document.model,
        "function": document.function,
        "target": target,
    }
    return Finding(
        format="pmml",
        framework="pmml",
        inputs=tuple(
            {"name": name, "type": _TYPES.get(document.fields[name], "string"), "shape": [-1, 1]} for name in active
        ),
        outputs=tuple(document.outputs),
        problems=problems,
        facts={name: fact for name, fact in facts.items() if fact},
    )
