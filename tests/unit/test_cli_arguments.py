"""The command line alone: help, usage errors, completion, lengths of time. No hub."""

from __future__ import annotations

import ast
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from mlserve.errors import InvalidInput
from mlserve_cli import catalogue
from mlserve_cli.answer import show_answer
from mlserve_cli.main import main
from mlserve_cli.options import seconds
from mlserve_cli.render import Format
from mlserve_cli.table import table


@pytest.fixture(autouse=True)
def _no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSERVE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLSERVE_HUB", raising=False)


def test_help_lists_every_verb_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, text in catalogue.rows():
        assert name in shown
        assert text
        assert text in shown


@pytest.mark.parametrize("arguments", [["create"], ["hub", "stop"], ["ls"], ["context", "add"], ["resource", "add"]])
def test_each_verb_has_its_own_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--help"]) == 0
    assert "--output" in capsys.readouterr().out


def test_the_table_for_the_readme_names_every_verb() -> None:
    assert all(f"mlserve {verb}" in table() for verb in catalogue.verbs())


def test_an_unknown_verb_is_met_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lst"]) == 2
    assert "did you mean list?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["scale", "iris", "many"], ["scale", "iris", "-1"], ["scale", "iris"], ["list", "--nope"]]
)
def test_wrong_usage_is_exit_2_and_one_json_line_where_json_was_asked_for(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "-o", "json"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert json.loads(printed.err.splitlines()[-1])["error"]["code"] == "invalid-input"


def test_a_group_alone_says_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hub"]) == 2
    alone = capsys.readouterr().out
    assert main(["hub", "-h"]) == 0
    assert capsys.readouterr().out == alone
    assert "status" in alone


def test_options_may_stand_between_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["update", "iris", "--timeout", "nonsense", "service.json"]) == 2
    assert "not a length of time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("5m", 300), ("1h30m", 5400), ("0.5s", 0.5), ("50ms", 0.05)]
)
def test_lengths_of_time_are_read_as_people_write_them(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "5 minutes", "m", "-3s"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        seconds(text)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["d"], ["delete", "describe", "doctor"]),
        (["hub", "st"], ["start", "status", "stop"]),
        (["list", "-o", ""], ["table", "json", "yaml"]),
        (["create", "x.json", "--no"], ["--no-wait"]),
        (["describe", ""], []),
        (["create", "exam"], []),
        (["test", "x.json", "--data", "{}", "--file", ""], []),
        (["nonsense", ""], []),
    ],
)
def test_the_shell_learns_what_could_come_next(
    words: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_MLSERVE_COMPLETE", str(len(words) - 1))
    assert main(words) == 0
    assert capsys.readouterr().out.split() == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_for_a_shell(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["--install-completion", shell]) == 0
    assert any("_MLSERVE_COMPLETE" in path.read_text() for path in tmp_path.rglob("*mlserve*") if path.is_file())


def test_without_a_terminal_a_question_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    from mlserve_cli.confirmation import confirm

    with pytest.raises(InvalidInput) as caught:
        confirm("Delete?", yes=False)
    assert "-y" in caught.value.hint


def test_starting_up_loads_nothing_heavy() -> None:
    heavy = ("pydantic", "httpx", "rich", "yaml", "fastapi", "asyncio", "boto3")
    code = "import mlserve.client_lib, mlserve_cli.commands.list; main(['scale', 'iris', '-1', '-o', 'json'])"
    assert loaded(code, *heavy) == []


def test_the_list_of_verbs_needs_no_typer() -> None:
    assert loaded("main(['--help'])", "typer", "click", "dataclasses") == []


def test_only_the_verb_that_is_called_is_imported() -> None:
    verbs = [f"mlserve_cli.commands.{verb}" for verb in catalogue.verbs()]
    assert loaded("main(['scale', '--help'])", *verbs) == ["mlserve_cli.commands.scale"]


def loaded(code: str, *names: str) -> list[str]:
    """Which of these modules are there after some code, in a Python of its own."""
    program = f"import sys; from mlserve_cli.main import main; {code}; print([n for n in {names} if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return list(ast.literal_eval(result.stdout.splitlines()[-1]))


def test_importing_the_package_loads_no_part_of_it() -> None:
    code = "import sys, mlserve; print([name for name in sys.modules if name.startswith('mlserve.')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_output_that_nobody_reads_any_more_is_no_error() -> None:
    code = "import sys; sys.argv = ['mlserve', '--help']; from mlserve_cli.main import run; run()"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert child.wait(20) == 0
    assert child.stderr.read() == b""
    child.stderr.close()


def test_data_that_is_not_json_is_told_the_other_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "iris", "--data", "plain text"]) == 2
    said = capsys.readouterr().err
    assert "--file PATH" in said
    assert "- for standard input" in said


def test_an_answer_ends_its_line_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    show_answer(Format.table, b"text")
    assert capsysbinary.readouterr().out == b"text"
    mine, other = pty.openpty()
    with open(other, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        show_answer(Format.table, b"text")
        terminal.flush()
        assert os.read(mine, 100) == b"text\r\n"
    os.close(mine)
