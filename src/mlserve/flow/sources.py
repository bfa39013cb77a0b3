"""A source as a descriptor writes it: ``step.output`` or ``request.name``. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mlserve.flow.nodes import REQUEST, Node, Ports, Source


def written(text: str, nodes: Sequence[Node], index: int, given: Sequence[Ports | None]) -> Source | str:
    """What it names for step ``index``, before which ``given`` was given; or what is wrong with it."""
    step, dot, name = text.partition(".")
    if not dot or not name:
        return f'"{text}" is no source: write "step.output", or "{REQUEST}.name" for what a request brings'
    if step == REQUEST:
        return Source(-1, name)
    found = next((number for number, node in enumerate(nodes) if node.name == step), None)
    if found is None:
        before = ", ".join([REQUEST, *(node.name for node in nodes[:index])])
        return f'no step "{step}" to take "{text}" from (before this one: {before})'
    if found >= index:
        return _backwards(nodes, index, found)
    outputs = given[found]
    if outputs is not None and name not in {port.name for port in outputs}:
        shown = ", ".join(port.name for port in outputs) or "none"
        return f'step "{step}" has no output "{name}" (outputs: {shown})'
    return Source(found, name)


def _backwards(nodes: Sequence[Node], index: int, found: int) -> str:
    here, step = nodes[index].name, nodes[found].name
    if found == index:
        return f'step "{here}" can\'t take from itself: that is a cycle'
    if here in _before(step, {node.name: node for node in nodes}, set()):
        return f'steps "{here}" and "{step}" feed each other: a pipeline has no cycles'
    return f'step "{step}" comes later than "{here}": steps run in the order they are written, so move it before'


def _before(step: str, nodes: dict[str, Node], seen: set[str]) -> set[str]:
    """The step, those that it takes from as written, and those they take from."""
    if step in nodes and step not in seen:
        seen.add(step)
        for text in nodes[step].takes.values():
            _before(text.partition(".")[0], nodes, seen)
    return seen
