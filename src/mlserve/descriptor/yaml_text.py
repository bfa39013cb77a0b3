"""From YAML text to plain JSON values; only what JSON has too, and no bombs."""

from __future__ import annotations

import re
from typing import Any

import yaml

from mlserve.descriptor.shapes import MAX_DEPTH
from mlserve.errors import InvalidDescriptor

_MAX_NODES = 100_000
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc] # either of two
    """YAML with the scalars of JSON: no dates, no sexagesimal numbers, no `yes` for true; no key twice."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 - PyYAML's own form

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(None, None, "a key has to be text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'"{key.value[:80]}" is written twice', key.start_mark
                )
            seen.add(key.value)
        mapping: dict[str, Any] = super().construct_mapping(node, deep=True)
        return mapping


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,19})", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), ["" if c == "\0" else c for c in _first]
    )


def read_yaml(text: str, name: str) -> Any:
    """The value of a YAML text; raises InvalidDescriptor that names the line and column."""
    try:
        _check_size(text, name)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a loader of our own, derived from the safe one
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise _refused(name, mark, exc.problem or str(exc.context or "not YAML")) from None
    except yaml.YAMLError as exc:
        raise _refused(name, None, str(exc).splitlines()[0]) from None
    except (ValueError, TypeError, RecursionError, OverflowError) as exc:
        raise _refused(name, None, str(exc)[:120]) from None


def _check_size(text: str, name: str) -> None:
    """Refuse what is deep, or grows through aliases beyond measure, before anything is built."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=_BASE):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise _refused(name, event.start_mark, f'"*{event.anchor}" refers to nothing that ends before it')
            total += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            total += 1
            open_nodes.append((event.anchor, total))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = total - before + 1
        if total > _MAX_NODES:
            raise _refused(
                name, event.start_mark, f"more than {_MAX_NODES} values, aliases counted as what they stand for"
            )
        if len(open_nodes) > MAX_DEPTH:
            raise _refused(name, event.start_mark, f"nested more than {MAX_DEPTH} levels deep")


def _refused(name: str, mark: Any, what: str) -> InvalidDescriptor:
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    message = f"{name}, line {line}, column {column}: {what}" if mark else f"{name}: {what}"
    where = {"line": line, "column": column} if mark else {}
    return InvalidDescriptor(
        message,
        hint="mlserve validate FILE checks a descriptor without starting anything",
        details=[{"pointer": "", "code": "invalid", "message": message, **where}],
    )
