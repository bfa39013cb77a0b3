"""What differs between two trees: enough to make the one of the other, and nothing beyond that."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlserve.descriptor.differences import ABSENT, Difference, differences, leaves, value_at
from mlserve.descriptor.pointers import Place

NAMES = st.text(alphabet="ab01/~", min_size=1, max_size=3)
VALUES = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, "", "1", "a"])
TREES = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)
OBJECTS = st.dictionaries(NAMES, TREES, max_size=4)


def made(tree: Any, found: list[Difference]) -> Any:
    """A tree with every difference put into it; items of lists go from the end, so that numbers stay what they are."""
    tree = copy.deepcopy(tree)
    for one in [one for one in found if one.new is not ABSENT] + [one for one in found if one.new is ABSENT][::-1]:
        if not one.place:
            return one.new
        put(value_at(tree, one.place[:-1]), one.place, one.new)
    return tree


def put(parent: Any, place: Place, value: Any) -> None:
    name: Any = int(place[-1]) if isinstance(parent, list) else place[-1]
    if value is ABSENT:
        del parent[name]
    elif isinstance(parent, list) and name == len(parent):
        parent.append(value)
    else:
        parent[name] = value


def exact(tree: Any) -> str:
    """JSON tells 1, 1.0 and true apart, which Python's == does not."""
    return json.dumps(tree, sort_keys=True)


@given(OBJECTS, OBJECTS)
def test_the_differences_make_the_new_tree_of_the_old_one(old: Any, new: Any) -> None:
    assert exact(made(old, list(differences(old, new)))) == exact(new)


@given(OBJECTS, OBJECTS)
def test_two_trees_differ_where_their_json_does(old: Any, new: Any) -> None:
    assert bool(list(differences(old, new))) == (exact(old) != exact(new))
    assert not list(differences(old, copy.deepcopy(old)))


@given(OBJECTS, OBJECTS)
def test_a_difference_is_what_both_hold_at_its_place_and_none_is_within_another(old: Any, new: Any) -> None:
    found = list(differences(old, new))
    places = [one.place for one in found]
    assert all((value_at(old, one.place), value_at(new, one.place)) == (one.old, one.new) for one in found)
    assert not any(one != other and other[: len(one)] == one for one in places for other in places)
    assert len(set(places)) == len(places)


@given(OBJECTS, OBJECTS)
def test_the_way_back_has_the_same_places(old: Any, new: Any) -> None:
    there = {one.place: (one.old, one.new) for one in differences(old, new)}
    back = {one.place: (one.new, one.old) for one in differences(new, old)}
    assert exact_pairs(there) == exact_pairs(back)


def exact_pairs(found: dict[Place, tuple[Any, Any]]) -> dict[Place, tuple[str, str]]:
    return {place: (repr(old), repr(new)) for place, (old, new) in found.items()}


def test_the_leaves_of_a_tree_are_its_values() -> None:
    tree = {"a": {"b": 1, "c": {}}, "d": [1, {"e": 2}]}
    assert list(leaves(tree)) == [(("a", "b"), 1), (("a", "c"), {}), (("d",), [1, {"e": 2}])]
