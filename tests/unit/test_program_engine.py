"""The command of a web server of one's own, as it is started in each place."""

from __future__ import annotations

import pytest

from mlserve.engines.program import command

PYTHON = "/env/bin/python"


@pytest.mark.parametrize("word", ["$HOST", "${HOST}"])
def test_a_command_may_ask_for_the_address_that_suits_its_place(word: str) -> None:
    line = f"uvicorn app:app --host {word} --port $PORT"
    assert command(line, PYTHON) == ("uvicorn", "app:app", "--host", "127.0.0.1", "--port", "{port}")
    assert command(line, PYTHON, "0.0.0.0") == ("uvicorn", "app:app", "--host", "0.0.0.0", "--port", "{port}")


def test_other_words_of_a_command_stay_as_they_are() -> None:
    assert command("serve --name=$HOSTNAME --at=$HOST:${PORT} $", PYTHON) == (
        "serve",
        "--name=$HOSTNAME",
        "--at=127.0.0.1:{port}",
        "$",
    )
    assert command("", PYTHON) == ()
