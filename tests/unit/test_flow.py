"""How steps are connected, without loading any."""

from __future__ import annotations

from typing import Any

import pytest

from mlserve.descriptor import parse
from mlserve.errors import InvalidDescriptor
from mlserve.flow import Flow, Node, Source, Wire, combined, connect
from mlserve.flow.fitting import converts

X, Y, Z = Wire("x", "FP32", (-1, 2)), Wire("y", "FP32", (-1, 2)), Wire("z", "FP32", (-1, 2))


def node(name: str, inputs: tuple[Wire, ...] | None, outputs: tuple[Wire, ...] | None, **more: Any) -> Node:
    return Node(name, inputs, outputs, **{"open": False, **more})


def sources(flow: Flow, step: int) -> dict[str, tuple[int, str | None]]:
    assert flow.mistakes == ()
    return {sink: (source.step, source.name) for sink, source in (flow.feeds[step] or {}).items()}


def said(*nodes: Node) -> list[tuple[Any, str]]:
    return [(mistake.place, mistake.message) for mistake in connect(nodes).mistakes]


def test_an_input_is_fed_by_the_nearest_step_that_gives_its_name() -> None:
    flow = connect([node("a", (X,), (Y, Z)), node("b", (Y,), (Y,)), node("c", (Y, Z), (X,))])
    assert sources(flow, 2) == {"y": (1, "y"), "z": (0, "z")}
    assert [port.name for port in flow.inputs] == ["x"]
    assert flow.outputs == (("x", Source(2, "x")),)


def test_the_only_output_feeds_the_only_input_whatever_they_are_called() -> None:
    assert sources(connect([node("a", (X,), (Y,)), node("b", (Z,), (X,))]), 1) == {"z": (0, "y")}


def test_two_models_whose_inputs_have_one_name_are_a_chain() -> None:
    assert sources(connect([node("a", (X,), (Y,)), node("b", (X,), (Z,))]), 1) == {"x": (0, "y")}


def test_two_models_whose_outputs_a_third_asks_for_are_branches() -> None:
    third = node("c", (Y, Z), (Wire("w"),))
    assert sources(connect([node("a", (X,), (Y,)), node("b", (X,), (Z,)), third]), 1) == {"x": (-1, "x")}
    written = node("c", (Wire("l"), Wire("r")), (Wire("w"),), takes={"l": "a.y", "r": "b.z"})
    assert sources(connect([node("a", (X,), (Y,)), node("b", (X,), (Z,)), written]), 1) == {"x": (-1, "x")}


def test_what_no_step_gives_is_asked_of_the_request() -> None:
    flow = connect([node("a", (X,), (Y,)), node("b", (Y, Wire("age", "INT64", (-1, 1))), (Z,))])
    assert [(port.name, port.datatype) for port in flow.inputs] == [("x", "FP32"), ("age", "INT64")]


def test_an_input_of_the_request_may_have_another_name() -> None:
    flow = connect([node("a", (X,), (Y,), takes={"x": "request.pixels"}), node("b", (Y,), (Z,))])
    assert [(port.name, port.datatype, port.shape) for port in flow.inputs] == [("pixels", "FP32", (-1, 2))]


def test_an_optional_input_that_nothing_feeds_stays_out() -> None:
    maybe = Wire("bias", "FP32", (-1, 2), optional=True)
    flow = connect([node("a", (X,), (Y,)), node("b", (Y, maybe), (Z,))])
    assert sources(flow, 1) == {"y": (0, "y")}


def test_a_step_that_declares_nothing_takes_all_that_came_before() -> None:
    flow = connect([Node("a"), Node("b")])
    assert flow.feeds == (None, None)
    assert flow.open
    assert flow.outputs is None


@pytest.mark.parametrize(
    ("takes", "message"),
    [
        ({"x": "b.y"}, "can't take from itself"),
        ({"x": "c.z"}, "comes later"),
        ({"x": "d.w"}, "feed each other"),
        ({"x": "e.z"}, 'no step "e"'),
        ({"x": "a"}, 'write "step.output"'),
        ({"x": "a."}, 'write "step.output"'),
        ({"x": "a.w"}, 'no output "w" (outputs: y)'),
        ({"w": "a.y"}, 'no input "w" (inputs: x)'),
    ],
)
def test_a_source_that_can_not_be_is_told(takes: dict[str, str], message: str) -> None:
    last = node("d", (X,), (Wire("w"),), takes={"x": "b.z"})
    found = said(node("a", (X,), (Y,)), node("b", (X,), (Z,), takes=takes), node("c", (X,), (Z,)), last)
    assert found[0][0] == (1, "inputs", next(iter(takes)))
    assert message in found[0][1]


def test_what_nobody_uses_is_a_name_written_wrong() -> None:
    place, message = said(node("a", (X,), (Y, Z)), node("b", (Wire("p"), Wire("q")), (X,)))[0]
    assert place == (0,)
    assert '"inputs", such as {"p": "a.y"}' in message


def test_a_request_can_not_be_two_things() -> None:
    found = said(node("a", (X,), (Y,)), node("b", (Wire("x", "BYTES"),), (Z,)), node("c", (Y, Z), (X,)))
    assert "is wanted as FP32 and BYTES" in found[0][1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Wire("y", "BYTES", (-1, 2)), "wants FP32, and that is BYTES"),
        (Wire("y", "FP32", (-1, 3)), "wants shape [-1, 2], and that has [-1, 3]"),
        (Wire("y", "FP32", (-1,)), "wants shape [-1, 2], and that has [-1]"),
        (Wire("y", "FP64", (1, -1)), ""),
        (Wire("y"), ""),
    ],
)
def test_types_and_shapes_have_to_fit(given: Wire, message: str) -> None:
    found = said(node("a", (X,), (given,)), node("b", (Y,), (Z,)))
    assert [message] == [text.partition(": it ")[2] for _, text in found] if message else not found


@pytest.mark.parametrize(
    ("source", "sink", "fits"),
    [
        ("FP64", "FP16", True), ("INT32", "INT64", True), ("INT64", "INT32", False), ("UINT8", "INT16", True),
        ("UINT8", "FP32", True), ("INT64", "FP32", False), ("BOOL", "FP32", True), ("FP32", "INT64", False),
        ("BYTES", "BYTES", True), ("BYTES", "FP32", False), ("INT8", "UINT8", False), ("UINT64", "INT64", False),
    ],
)  # fmt: skip
def test_numbers_become_wider_ones_and_nothing_else(source: str, sink: str, fits: bool) -> None:
    assert converts(source, sink) is fits


@pytest.mark.parametrize(
    ("config", "fed", "gives"),
    [
        ({}, {"a": Wire("a", "FP32", (-1, 3)), "b": Wire("b", "FP32", (-1, 3))}, ("output", "FP32", (-1, 3))),
        ({}, {"a": Wire("a", "INT64"), "b": Wire("b", "INT64")}, ("output", "FP64", None)),
        ({"method": "vote", "output": "w"}, {"a": Wire("a", "BYTES"), "b": Wire("b", "BYTES")}, ("w", "BYTES", None)),
        ({"weights": [1, 2]}, {"a": None, "b": None}, ("output", "", None)),
    ],
)  # fmt: skip
def test_an_ensemble_gives_what_its_inputs_make(config: Any, fed: Any, gives: Any) -> None:
    (port,) = combined(config, fed)
    assert (port.name, port.datatype, port.shape) == gives


@pytest.mark.parametrize(
    ("config", "fed", "message"),
    [
        ({}, {"a": X}, "two inputs or more"),
        ({"method": "median"}, {"a": X, "b": X}, "mean, weighted, vote"),
        ({"weights": [1]}, {"a": X, "b": X}, "a number for each of a, b"),
        ({"weights": {"a": 1, "c": 2}}, {"a": X, "b": X}, "a number for each of a, b"),
        ({}, {"a": Wire("label", "BYTES"), "b": X}, "label is text"),
        ({}, {"a": X, "b": Wire("b", "FP32", (-1, 3))}, "all inputs want one shape"),
    ],
)
def test_what_can_not_be_combined_is_told(config: Any, fed: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        combined(config, fed)


OWN = {"name": "own", "processor_type": "python", "processor_path": "steps", "processor_entry": "steps.py:scale"}
MODEL = {"name": "model", "processor": "onnx", "model_path": "model.onnx"}


@pytest.mark.parametrize(
    ("more", "pointers"),
    [
        ({"pipeline": [OWN, MODEL]}, []),
        ({"pipeline": [OWN, MODEL], "command": "serve", "port": 80}, ["/command"]),
        ({"pipeline": [OWN, MODEL], "model_path": "x.onnx"}, ["/model_path"]),
        ({"pipeline": [{**OWN, "processor_path": None}]}, ["/pipeline/0/processor_path"]),
        ({"pipeline": [{**OWN, "processor_entry": None}]}, ["/pipeline/0/processor_entry"]),
        ({"pipeline": [{**OWN, "processor_entry": "../steps.py"}]}, ["/pipeline/0/processor_entry"]),
        ({"pipeline": [{**OWN, "processor": "onnx"}]}, ["/pipeline/0/processor_type"]),
        ({"pipeline": [{"name": "nothing"}]}, ["/pipeline/0"]),
        ({"pipeline": [{**MODEL, "processor_path": "steps"}]}, ["/pipeline/0/processor_path"]),
        ({"pipeline": [{**MODEL, "model_entry": "../x"}]}, ["/pipeline/0/model_entry"]),
        ({"pipeline": [MODEL, {"name": "both", "processor": "ensemble", "inputs": {"a": "model.y"}}]}, ["/pipeline/1"]),
        ({"pipeline": [OWN, {**MODEL, "outputs": ["y"]}, {**MODEL, "name": "n", "outputs": {"y": "z"}}]},
         ["/pipeline/2/outputs/y"]),
        ({"pipeline": [{**MODEL, "inputs": {"a.b/c": "x"}}]}, ["/pipeline/0/inputs/a.b~1c"]),
        ({"pipeline": [{**MODEL, "name": "no spaces"}]}, ["/pipeline/0/name"]),
        ({"pipeline": [MODEL | {"name": f"step{i}"} for i in range(65)]}, ["/pipeline"]),
    ],
)  # fmt: skip
def test_mistakes_in_a_pipeline_are_named_where_they_are_written(more: dict[str, Any], pointers: list[str]) -> None:
    if not pointers:
        assert len(parse({"name": "p", **more}).descriptor.pipeline) == 2
        return
    with pytest.raises(InvalidDescriptor) as refused:
        parse({"name": "p", **more})
    assert [entry["pointer"] for entry in refused.value.details] == pointers
