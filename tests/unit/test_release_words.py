"""What a descriptor may say of its releases, and the release that it means."""

from __future__ import annotations

from typing import Any

import pytest

from mlserve.descriptor import parse, strategy_of
from mlserve.errors import InvalidDescriptor
from mlserve.hub.releases.records import Gates, Step, Strategy
from mlserve.hub.releases.strategies import planned

BASE = {"name": "shop", "command": "serve $PORT"}


def descriptor(release: Any = None, rolling: Any = None) -> dict[str, Any]:
    written: dict[str, Any] = {**BASE, **({"release": release} if release is not None else {})}
    return written | ({"metadata": {"rolling_strategy": rolling}} if rolling is not None else {})


def mistake(written: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(InvalidDescriptor) as caught:
        parse(written)
    (found,) = caught.value.details
    return found["pointer"], found["message"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (descriptor(), "blue_green"),
        (descriptor({"steps": [{"weight": 5}]}), "canary"),
        (descriptor(rolling={"max_surge": "25%"}), "rolling"),
        (descriptor({"strategy": "recreate"}), "recreate"),
    ],
)
def test_a_strategy_is_named_or_meant(written: dict[str, Any], meant: str) -> None:
    assert strategy_of(parse(written).descriptor) == meant


@pytest.mark.parametrize(
    ("written", "pointer", "said"),
    [
        (descriptor({"steps": [{"weight": 50}, {"weight": 20}]}), "/release/steps/1/weight", "20 follows 50"),
        (descriptor({"steps": [{"weight": 0}]}), "/release/steps/0/weight", "at least 1"),
        (descriptor({"steps": [{"weight": 101}]}), "/release/steps/0/weight", "at most 100"),
        (descriptor({"strategy": "rolling", "steps": [{"weight": 5}]}), "/release/steps", "steps are of a canary"),
        (descriptor({"strategy": "recreate", "gates": {}}), "/release/gates", "never both versions"),
        (descriptor({"strategy": "rolling", "keep": "1m"}), "/release/keep", "none to keep"),
        (descriptor({"strategy": "blue_green", "sticky": "header:x-user"}), "/release/sticky", "no two versions share"),
        (descriptor({"strategy": "recreate", "feedback": True}), "/release/feedback", "no two versions share"),
        (descriptor({"strategy": "canary", "sticky": "x-user"}), "/release/sticky", "nothing to stick to"),
        (descriptor({"strategy": "canary", "sticky": "header:Authorization"}), "/release/sticky", "nothing to stick"),
        (descriptor({"strategy": "canary"}, {"max_surge": 1}), "/metadata/rolling_strategy", "this one is canary"),
        (descriptor(rolling={"max_surge": 0}), "/metadata/rolling_strategy", "no instance can ever be replaced"),
        (
            descriptor(rolling={"max_surge": "150%"}),
            "/metadata/rolling_strategy/max_surge",
            "is no number of instances",
        ),
        (
            {**descriptor({"gates": {"max_different_percent": 1}}), "retry": False},
            "/release/gates/max_different_percent",
            "no request may run twice",
        ),
        (descriptor({"gates": {"max_different_percent": 101}}), "/release/gates/max_different_percent", "100"),
        (descriptor({"gates": {"tolerance": -1}}), "/release/gates/tolerance", "0"),
    ],
)
def test_what_can_not_be_is_told_where_it_is_written(written: dict[str, Any], pointer: str, said: str) -> None:
    at, message = mistake(written)
    assert at == pointer
    assert said in message


def test_a_canary_has_the_steps_and_gates_that_are_written() -> None:
    words = {"steps": [{"weight": 20, "pause": "5s"}, {"weight": 60}], "gates": {"max_error_percent": 2}, "keep": "1h"}
    made = planned(parse(descriptor(words)).descriptor, 1, 2, count=2)
    assert made.steps == (Step(20, 5.0), Step(60, None))
    assert (made.gates, made.keep) == (Gates(max_error_percent=2), 3600.0)


def test_blue_green_with_gates_is_judged_after_the_switch() -> None:
    gated = parse(descriptor({"strategy": "blue_green", "gates": {"max_error_percent": 2}})).descriptor
    assert planned(gated, 1, 2, count=2).steps == (Step(100, 0.0),)
    assert planned(parse(BASE).descriptor, 1, 2, count=2).steps == ()


def test_where_answers_are_compared_a_step_without_callers_comes_first() -> None:
    gates = {"max_different_percent": 2, "ignore": ["at"]}
    for words, steps in (
        ({"strategy": "blue_green"}, (Step(0, 0.0), Step(100, 0.0))),
        ({"steps": [{"weight": 5}]}, (Step(0, 0.0), Step(5, None))),
        ({"strategy": "rolling"}, ()),
    ):
        made = planned(parse(descriptor({**words, "gates": gates})).descriptor, 1, 2, count=2)
        assert (made.steps, made.gates) == (steps, Gates(max_different_percent=2.0))


def test_a_strategy_for_one_time_takes_the_place_of_the_descriptors_own() -> None:
    canary = parse(descriptor({"steps": [{"weight": 5}], "keep": "1h"})).descriptor
    made = planned(canary, 1, 2, count=2, strategy="rolling")
    assert (made.strategy, made.steps, made.keep) == (Strategy.ROLLING, (), 0.0)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ({}, (1, 0)),
        ({"max_surge": "25%", "max_unavailable": "25%"}, (3, 2)),
        ({"max_surge": 0, "max_unavailable": 1}, (0, 1)),
    ],
)
def test_shares_of_instances_round_to_the_careful_side(words: dict[str, Any], meant: tuple[int, int]) -> None:
    made = planned(parse(descriptor(rolling=words)).descriptor, 1, 2, count=10)
    assert (made.surge, made.unavailable) == meant
