"""Which answers are alike: numbers within a tolerance, labels the same, forms the same."""

from __future__ import annotations

import copy
import json
import math
import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserve.hub.comparing.answers import Answer, Kind, Rules, compared
from mlserve.hub.comparing.report import Report, comparable, lines, view, with_pair

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


def said(value: Any, status: int = 200) -> Answer:
    return Answer(status, "application/json", json.dumps(value).encode())


def kinds(old: Any, new: Any, rules: Rules | None = None) -> list[tuple[str, str]]:
    found = compared(said(old), said(new), rules or Rules())
    return [(one.kind, one.field) for one in found.differences]


@given(VALUES)
def test_an_answer_is_like_itself(value: Any) -> None:
    assert kinds(value, copy.deepcopy(value)) == []


def test_of_large_answers_few_fields_are_held() -> None:
    name = "n" * 100_000
    old, new = said({name: [0.5] * 100_000, "label": "cat"}), said({name: [0.7] * 100_000, "label": "dog"})
    tracemalloc.start()
    found = compared(old, new, Rules())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20 * len(old.body), "what was read itself is a few times its text"
    assert (len(found.differences), found.flipped, max(len(one.field) for one in found.differences)) == (
        100,
        True,
        1000,
    )


@given(VALUES, VALUES, st.floats(0, 1))
def test_it_does_not_matter_which_of_two_came_first(one: Any, other: Any, tolerance: float) -> None:
    rules = Rules(tolerance)
    assert sorted(kinds(one, other, rules)) == sorted(kinds(other, one, rules))
    assert compared(said(one), said(other), rules).largest == compared(said(other), said(one), rules).largest


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-3, max_value=1e30), st.floats(0, 0.9))
def test_numbers_are_alike_within_the_tolerance_and_not_beyond(number: float, share: float) -> None:
    assert kinds([number], [number * (1 + 1e-3 * share)]) == []
    assert kinds([number], [number * 1.01]) == [("number", "/0")]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 0.5}, {"a": 0.5004}, []),
        ({"a": 1e-7}, {"a": 2e-7}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": 2}, [("label", "/a")]),
        ({"a": "cat"}, {"a": "dog"}, [("label", "/a")]),
        ({"a": True}, {"a": False}, [("label", "/a")]),
        ({"a": True}, {"a": 1}, [("form", "/a")]),
        ({"a": None}, {"a": 0.5}, [("form", "/a")]),
        ({"a": [1.0, 2.0]}, {"a": [1.0]}, [("form", "/a")]),
        ({"a": []}, {"a": {}}, [("form", "/a")]),
        ({"a": 1}, {"a": 1, "b": 2}, [("form", "/b")]),
        ({"a/b~": 1}, {"a/b~": 2}, [("label", "/a~1b~0")]),
        ([[0.1, 0.9]], [[0.9, 0.1]], [("number", "/0/0"), ("number", "/0/1")]),
        (math.nan, math.nan, []),
        (math.nan, 1.0, [("number", "")]),
        (math.inf, math.inf, []),
        (math.inf, -math.inf, [("number", "")]),
        (10**400, 0.5, [("number", "")]),
        ({"outputs": [], "id": "1", "model_version": "1"}, {"outputs": [], "id": "2", "model_version": "2"}, []),
        ({"id": "1"}, {"id": "2"}, [("label", "/id")]),
    ],
)
def test_fields_are_compared_by_what_they_are(old: Any, new: Any, found: list[tuple[str, str]]) -> None:
    assert kinds(old, new) == found


def test_fields_that_change_by_themselves_are_left_out_by_name_or_place() -> None:
    old, new = {"at": 1, "in": {"at": 2, "x": 1}}, {"at": 3, "in": {"at": 4, "x": 1}}
    assert kinds(old, new, Rules(ignore=frozenset({"at"}))) == []
    assert kinds(old, new, Rules(ignore=frozenset({"/at"}))) == [("label", "/in/at")]
    assert kinds({"at": 1}, {}, Rules(ignore=frozenset({"at"}))) == []


def test_another_status_differs_and_two_refusals_of_one_kind_do_not() -> None:
    assert [one.kind for one in compared(said(1), said(1, 404), Rules()).differences] == [Kind.STATUS]
    assert not compared(said({"error": "of one"}, 400), said({"error": "of two"}, 400), Rules()).differences


def test_what_is_not_json_is_compared_by_its_bytes() -> None:
    def differ(kind: str, old: bytes, new: bytes) -> list[Kind]:
        return [one.kind for one in compared(Answer(200, kind, old), Answer(200, kind, new), Rules()).differences]

    assert differ("text/csv", b"1.0", b"1.0") == []
    assert differ("text/csv", b"1.0", b"1.00") == [Kind.BODY]
    assert differ("image/png", b"\xff", b"\xfe") == [Kind.BODY]
    assert differ("", b"[1.0]", b"[1.00]") == [], "what says nothing of its type may be JSON"
    assert differ("application/json", b"[" * 100_000, b"[") == [Kind.BODY]


def test_tensors_in_bytes_are_compared_as_the_numbers_that_they_are() -> None:
    def tensors(score: float, label: int) -> Answer:
        outputs = [
            {"name": "score", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}},
            {"name": "label", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}},
        ]
        head = json.dumps({"model_name": "m", "outputs": outputs}).encode()
        return Answer(200, "application/octet-stream", head + struct.pack("<fq", score, label), len(head))

    assert not compared(tensors(0.5, 1), tensors(0.50001, 1), Rules()).differences
    found = compared(tensors(0.5, 1), tensors(0.9, 2), Rules())
    assert [(one.kind, one.field) for one in found.differences] == [
        ("number", "/outputs/0/data/0"),
        ("label", "/outputs/1/data/0"),
    ]
    assert found.largest == pytest.approx(0.4)


def test_an_example_has_nothing_that_a_terminal_would_obey() -> None:
    found = compared(said({"\x1b[2J" + "n" * 500: 1}), said({"\x1b[2J" + "n" * 500: 2}), Rules())
    (example,) = with_pair(Report(), "r\x9b31m\n" + "x" * 5000, found, Rules()).examples
    assert example["request"].startswith(r"r\x9b31m\nxx")
    assert example["field"].startswith(r"/\x1b[2Jnn")
    assert max(len(example["request"]), len(example["field"])) < 220


def test_a_report_counts_and_keeps_a_few_examples_with_nothing_that_is_not_to_be_read() -> None:
    rules = Rules(clear=frozenset({"label"}))
    report = Report()
    for number in range(10):
        found = compared(said({"label": "cat"}), said({"label": "dog" * 40}), rules)
        report = with_pair(report, f"r{number}", found, rules)
    report = with_pair(report, "r10", compared(said({"name": "a"}), said({"name": "a"}), rules), rules)
    assert (report.compared, report.different, report.flipped, len(report.examples)) == (11, 10, 10, 5)
    assert report.percent == pytest.approx(90.9, abs=0.1)
    first = report.examples[0]
    assert (first["request"], first["field"], first["old"]) == ("r0", "/label", "'cat'")
    assert len(first["new"]) < 70
    assert lines(report)[0].startswith("request r0: /label 'cat' → 'dog")
    hidden = with_pair(Report(), "r", compared(said({"name": "ann"}), said({"name": "bob"}), rules), rules)
    assert (hidden.examples[0]["old"], hidden.examples[0]["new"]) == ("***", "***")
    shown = view(report)
    assert shown is not None
    assert (shown["compared"], json.dumps(shown) != "") == (11, True)


@pytest.mark.parametrize(
    ("old", "new", "yes"), [(200, 200, True), (200, 500, True), (500, 200, False), (200, 503, False), (429, 200, False)]
)
def test_what_is_busy_or_down_is_not_compared(old: int, new: int, yes: bool) -> None:
    assert comparable(Answer(old), Answer(new)) is yes
    assert not comparable(None, Answer(new))
