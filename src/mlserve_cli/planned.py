"""A plan for a person to read, in the width of a terminal. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlserve_cli.render import properties

Data = Mapping[str, Any]

_APPLIES = {"new": "", "live": "live", "replace": "new instances", "never": "never"}
_DIGEST = len("sha256:") + 12
_NARROWEST = 12
"""Characters that a value gets at least, however long its pointer is."""


def plan_text(plan: Data, width: int) -> str:
    """What would be done, each change on a line of its own, and what it takes."""
    parts = [_headline(plan)]
    changed = [*map(_field, plan["changes"]), *map(_file, plan["content"])]
    if changed:
        parts.append("\n".join(_lines(changed, width)))
    if reasons := "\n".join(dict.fromkeys(_reasons(plan))):
        parts.append(reasons)
    if plan["peak"]:
        parts.append(properties(_taken(plan)))
    return "\n\n".join(parts)


def _headline(plan: Data) -> str:
    name, version, instances = plan["service"], plan["version"], plan["instances"]
    where = f'resource group "{plan["resource"]}" ({plan["backend"]})'
    return {
        "create": f"{name} is new: version {version['new']}, {_count(instances['new'])}, {where}",
        "update": f"{name}: version {version['old']} → {version['new']}, {_moved(instances)}, {where}",
        "scale": f"{name} keeps version {version['old']}: {_moved(instances)}, {where}",
        "nothing": f"{name}: nothing new, the descriptor and its files are those of version {version['old']}",
        "refuse": f"{name}: this can't be done to a service that exists",
    }[plan["action"]]


def _moved(instances: Data) -> str:
    if instances["old"] == instances["new"]:
        return _count(instances["new"])
    return f"{instances['old']} → {_count(instances['new'])}"


def _count(number: int) -> str:
    return "1 instance" if number == 1 else f"{number} instances"


class _Row(tuple[str, str, str, str]):
    """Pointer, old, new, how it applies."""

    __slots__ = ()


def _field(change: Data) -> _Row:
    return _Row((change["pointer"], _value(change["old"]), _value(change["new"]), _APPLIES[change["applies"]]))


def _file(change: Data) -> _Row:
    old, new = (str(change[key] or "-")[:_DIGEST] for key in ("old", "new"))
    return _Row((f"{change['pointer']} (files)", old, new, _APPLIES[change["applies"]]))


def _value(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _lines(rows: Sequence[_Row], width: int) -> Iterator[str]:
    """Aligned columns; a value that has no room is cut, and -o json has it whole."""
    fresh = all(row[1] == "-" for row in rows)
    heads = _Row(("FIELD", "OLD", "NEW", "APPLIES"))
    table = [[row[0], *([] if fresh else [row[1]]), row[2], *([] if fresh else [row[3]])] for row in (heads, *rows)]
    sizes = [max(len(line[index]) for line in table) for index in range(len(table[0]))]
    fixed = sizes[0] + (0 if fresh else sizes[-1]) + 2 * (len(sizes) - 1)
    values = range(1, len(sizes) if fresh else len(sizes) - 1)
    for index, room in zip(values, _shared(width - fixed, [sizes[index] for index in values]), strict=True):
        sizes[index] = room
    for line in table:
        yield "  ".join(_cut(cell, size).ljust(size) for cell, size in zip(line, sizes, strict=True)).rstrip()


def _shared(room: int, wanted: Sequence[int]) -> list[int]:
    """Each what it wants, where there is room for all; what a narrow one leaves goes to the wide one."""
    if sum(wanted) <= room:
        return list(wanted)
    even = max(room // len(wanted), _NARROWEST)
    left = max(room - sum(size for size in wanted if size <= even), _NARROWEST)
    return [size if size <= even else max(left // sum(one > even for one in wanted), _NARROWEST) for size in wanted]


def _cut(text: str, size: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= size else text[: size - 1] + "…"


def _reasons(plan: Data) -> Iterator[str]:
    return (f"{change['pointer']}: {change['reason']}" for change in plan["changes"] if change["reason"])


def _taken(plan: Data) -> dict[str, str]:
    peak, free, strategy = plan["peak"], plan["free"], plan["strategy"]
    sides = f" ({peak['old']} old + {peak['new']} new)" if peak["old"] and peak["new"] else ""
    parts = [f"{_count(peak['instances'])}{sides}", "1 core" if peak["cpu"] == 1 else f"{peak['cpu']:g} cores"]
    parts.append(f"{peak['memory_mb']} MB of memory" if peak["memory_mb"] else "no limit of memory")
    parts += [f"{peak['gpu']} GPUs"] if peak["gpu"] else []
    spare = "" if free["memory_mb"] is None else f": {free['memory_mb']} MB of memory are free now"
    return {
        "strategy": f"{strategy['name']}: {strategy['does']}",
        "at most": ", ".join(parts),
        "fits": ("yes" if plan["fits"] else "no") + spare,
    }
