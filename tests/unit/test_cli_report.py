"""What the CLI says of mistakes and of progress."""

from __future__ import annotations

import pytest

from mlserve.errors import InvalidDescriptor, NoCapacity
from mlserve_cli import report
from mlserve_cli.follow import Lines
from mlserve_cli.verdict import judged, verdict_text

MISTAKES = [
    {"pointer": "/nme", "message": 'nme is not a field ("/nme"), the nearest is "name"', "nearest": "name"},
    {"pointer": "/processor", "message": "processor is missing"},
]


def refuse() -> dict[str, object]:
    said = "the descriptor has 2 mistakes: " + "; ".join(mistake["message"] for mistake in MISTAKES)
    raise InvalidDescriptor(said, hint='did you mean "name"?', details=MISTAKES)


def test_each_mistake_has_one_line_and_its_place_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidDescriptor) as refused:
        refuse()
    assert report.error(refused.value, as_json=False) == 2
    assert capsys.readouterr().err.splitlines() == [
        '  nme is not a field ("/nme"), the nearest is "name"',
        "  /processor: processor is missing",
        "error: the descriptor has 2 mistakes",
        '  try: did you mean "name"?',
    ]


def test_mistakes_that_are_the_whole_message_are_said_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    short = [{"pointer": "/metadata/cpu", "message": "4 cores are needed"}, {"message": "800 MB are needed"}]
    refused = NoCapacity("; ".join(one["message"] for one in short), hint="ask for less", details=short)
    assert report.error(refused, as_json=False) == 8
    assert capsys.readouterr().err == "error: 4 cores are needed; 800 MB are needed\n  try: ask for less\n"


def test_a_verdict_counts_several_mistakes_and_leaves_their_words_to_the_error() -> None:
    assert "FAILED  descriptor: 2 mistakes" in verdict_text(judged(refuse))


def test_a_phase_that_takes_long_says_every_few_seconds_what_it_is_at(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0

    def at(seconds: float, detail: str, state: str = "running") -> None:
        nonlocal now
        now = seconds
        shown.update({"name": "iris", "version": 1, "phases": [{"phase": "image", "state": state, "detail": detail}]})

    with Lines({}, lambda: now) as shown:
        at(0, "")
        at(1, "Step 1/9 : FROM python")
        at(3, "Step 5/9 : RUN pip")
        at(4, "Collecting onnxruntime")
        at(7, "Step 5/9 : RUN pip")
        at(12, "ENV " + 200 * "x")
        at(13, "built", "done")
    long = "iris version 1 image running ENV "
    assert capsys.readouterr().err.splitlines() == [
        "iris version 1 image running",
        "iris version 1 image running Step 5/9 : RUN pip",
        long + (120 - len(long)) * "x" + "…",
        "iris version 1 image done built",
    ]


def test_phases_are_shown_under_the_version_that_is_prepared(capsys: pytest.CaptureFixture[str]) -> None:
    serving = {"name": "iris", "version": 2, "last_update": {"version": 3, "state": "running"}}
    with Lines({}) as shown:
        shown.update({**serving, "phases": [{"phase": "verify", "state": "failed", "seconds": 0.1}]})
    assert capsys.readouterr().err == "iris version 3 verify failed 0.1 s\n"
