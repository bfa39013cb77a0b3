"""What a plan looks like: one line a change, in the width of the terminal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserve_cli.planned import plan_text

LONG = {"labels": ["setosa", "versicolor", "virginica"], "note": "longer than a narrow terminal has room for, by far"}


def field(pointer: str, old: Any, new: Any, applies: str = "replace", reason: str = "") -> dict[str, Any]:
    return {"pointer": pointer, "old": old, "new": new, "applies": applies, "reason": reason}


def plan(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "service": "iris",
        "action": "update",
        "resource": "local",
        "backend": "local",
        "version": {"old": 3, "new": 4},
        "instances": {"old": 2, "new": 3},
        "changes": list(changes),
        "content": [field("/model_path", f"sha256:{'a' * 64}", f"sha256:{'b' * 64}")],
        "strategy": {"name": "blue_green", "does": "all of the new beside the old, then one switch"},
        "peak": {"instances": 5, "old": 2, "new": 3, "cpu": 2.5, "memory_mb": 2560, "gpu": 0},
        "free": {"cpu": 1.0, "memory_mb": 900, "gpus": 0, "gpu_memory_gb": 0.0},
        "fits": False,
        **more,
    }


WIDE = """\
iris: version 3 → 4, 2 → 3 instances, resource group "local" (local)

FIELD                OLD                  NEW                                                              APPLIES
/metadata/memory     512                  1024                                                             new instances
/model_config        -                    {"labels": ["setosa", "versicolor", "virginica"], "note": "lon…  new instances
/model_path (files)  sha256:aaaaaaaaaaaa  sha256:bbbbbbbbbbbb                                              new instances

strategy  blue_green: all of the new beside the old, then one switch
at most   5 instances (2 old + 3 new), 2.5 cores, 2560 MB of memory
fits      no: 900 MB of memory are free now"""

NARROW = """\
FIELD                OLD                  NEW                      APPLIES
/metadata/memory     512                  1024                     new instances
/model_config        -                    {"labels": ["setosa", …  new instances
/model_path (files)  sha256:aaaaaaaaaaaa  sha256:bbbbbbbbbbbb      new instances"""


def test_values_are_cut_to_the_width_of_the_terminal() -> None:
    shown = plan(field("/metadata/memory", 512, 1024), field("/model_config", None, LONG))
    assert plan_text(shown, 120) == WIDE
    assert plan_text(shown, 80).split("\n\n")[1] == NARROW


VALUES = st.none() | st.integers() | st.text(max_size=200) | st.lists(st.text(max_size=30), max_size=9)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=5), st.integers(80, 200))
def test_no_line_of_changes_is_wider_than_the_terminal(values: list[tuple[Any, Any]], width: int) -> None:
    shown = plan(*(field("/metadata/rpc/keepalive", *pair) for pair in values))
    lines = plan_text(shown, width).split("\n\n")[1].split("\n")
    assert len(lines) == 2 + len(values)
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("create", "iris is new: version 4, 3 instances, "),
        ("scale", "iris keeps version 3: 2 → 3 instances, "),
        ("nothing", "iris: nothing new, the descriptor and its files are those of version 3"),
        ("refuse", "iris: this can't be done to a service that exists"),
    ],
)
def test_the_first_line_says_what_would_be_done(action: str, said: str) -> None:
    assert plan_text(plan(action=action), 80).startswith(said)


def test_what_is_never_applied_has_its_reason_and_a_new_service_no_old_values() -> None:
    kept = field("/metadata/resource", "local", "box", "never", "a service stays in its resource group")
    text = plan_text(plan(kept, action="refuse", content=[], peak=None), 120)
    assert text.endswith("/metadata/resource: a service stays in its resource group")
    fresh = plan_text(plan(field("/name", None, "iris", "new"), content=[], peak=None), 120)
    assert fresh.endswith("FIELD  NEW\n/name  iris")
