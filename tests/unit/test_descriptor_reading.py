"""Reading descriptors' text: JSON as it is published, YAML, and nothing that is a bomb."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserve.descriptor import read_file, read_text
from mlserve.errors import InvalidDescriptor


def refusal(text: str, name: str = "service.json") -> InvalidDescriptor:
    with pytest.raises(InvalidDescriptor) as caught:
        read_text(text, name)
    return caught.value


def test_trailing_commas_and_comments_are_tolerated_outside_of_texts() -> None:
    text = '{"a": "x, ]# // no comment", # one\n "b": [1, 2,], // two\n /* three */ "c": {"d": 1,},\n}'
    assert read_text(text, "service.json") == {"a": "x, ]# // no comment", "b": [1, 2], "c": {"d": 1}}
    assert read_text('{"a": 1, # the last\n}', "service.json") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [('{"a": 1\n "b": 2}', 2, 2), ('{\n\n"a" 1}', 3, 5), ('{"a": 1, # x\n "b": tru}', 2, 7), ("{'a': 1}", 1, 2)],
)
def test_wrong_json_names_line_and_column(text: str, line: int, column: int) -> None:
    error = refusal(text)
    assert f"line {line}, column {column}" in error.message
    assert (error.details[0]["line"], error.details[0]["column"]) == (line, column)


@pytest.mark.parametrize(
    ("text", "line"), [("a: 1\n b: 2\n", 2), ("a: [1\n", 2), ("a: *nothing\n", 1), ("a: 1\na: 2\n", 2)]
)
def test_wrong_yaml_names_the_line(text: str, line: int) -> None:
    assert refusal(text, "service.yaml").details[0]["line"] == line


def test_yaml_gives_the_same_values_as_json() -> None:
    text = "name: iris\nwhen: 2024-01-01\nyes: no\nt: 12:30:00\nn: ~\ni: 007\nf: 1e3\nb: true\nlist: [1, 2.5]\n"
    dates_and_such = {"when": "2024-01-01", "yes": "no", "t": "12:30:00", "i": "007"}
    plain = {"name": "iris", "n": None, "f": 1000.0, "b": True, "list": [1, 2.5]}
    assert read_text(text, "service.yaml") == {**dates_and_such, **plain}
    assert read_text("base: &b {x: 1}\nmore: {<<: *b, y: 2}\n", "a.yml") == {"base": {"x": 1}, "more": {"x": 1, "y": 2}}


def test_without_a_suffix_the_text_itself_tells() -> None:
    assert read_text('# hi\n{"a": 1}', "-") == {"a": 1}
    assert read_text("a: 1", "-") == {"a": 1}


BOMBS = {
    "deep.json": '{"a":' + "[" * 100_000,
    "deep-closed.json": '{"a":' * 65 + "1" + "}" * 65,
    "deep.yaml": "[" * 100_000,
    "infinite.json": '{"a": Infinity}',
    "digits.json": '{"a": ' + "9" * 100_000 + "}",
    "twice.json": '{"a": 1,\n "a": 2}',
    "laughs.yaml": "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
    "self.yaml": "a: &a [*a]\n",
    "code.yaml": "a: !!python/object/apply:os.system [true]\n",
    "key.yaml": "1: a\n",
    "two.yaml": "a: 1\n---\nb: 2\n",
    "large.json": " " * (4 << 20) + "{}",
    "list.json": "[]",
    "empty.json": "",
    "empty.yaml": "",
    "null.json": "null",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_what_is_no_descriptor_are_refused(name: str, tmp_path: Path) -> None:
    assert refusal(BOMBS[name], name).message
    (tmp_path / name).write_text(BOMBS[name])
    with pytest.raises(InvalidDescriptor):
        read_file(tmp_path / name)


def test_a_key_that_is_written_twice_is_named_with_its_lines() -> None:
    assert '"a"' in refusal(BOMBS["twice.json"]).message
    assert "lines 1, 2" in refusal(BOMBS["twice.json"]).message


def test_files_that_can_not_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"a":\n "\xe9"}')
    for path, says in ((tmp_path, "folder"), (tmp_path / "no.json", "no file"), (tmp_path / "latin.json", "UTF-8")):
        with pytest.raises(InvalidDescriptor, match=says):
            read_file(path)
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_file(tmp_path / "bom.json") == {"a": 1}


def test_reading_a_file_loads_neither_pydantic_nor_yaml(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    program = (
        "import sys; from mlserve.descriptor import read_file, set_values, local_paths, masked\n"
        f"raw = set_values(read_file({str(tmp_path / 'a.json')!r}), ['a=1']); local_paths(raw); masked(raw)\n"
        "assert not {'pydantic', 'yaml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@given(st.text(max_size=60), st.sampled_from(["a.json", "a.yaml", "-"]))
def test_any_text_is_read_or_refused(text: str, name: str) -> None:
    try:
        value: Any = read_text(text, name)
    except InvalidDescriptor:
        value = {}
    assert isinstance(value, dict)


@given(
    st.dictionaries(st.text(max_size=6), st.none() | st.booleans() | st.text() | st.lists(st.integers(-(2**60), 2**60)))
)
def test_json_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    assert read_text(json.dumps(value), "a.json") == value
