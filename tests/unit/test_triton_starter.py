"""What starts a Triton server: the verdict on its models, and the folders it lays out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlserve.backends.report import Report as Told
from mlserve.hub.models import merged
from mlserve.triton.models import judged
from mlserve.triton.overlay import completed
from mlserve.triton.report import Report
from mlserve.triton.watching import option

GOOD = {"name": "good", "version": "1", "state": "READY"}
TRACE = "Internal: ModuleNotFoundError: No module named 'cv2.dnn'\n\nAt:\n  /m/bad/1/model.py(3): initialize\n"
BAD = {"name": "bad", "version": "1", "state": "UNAVAILABLE", "reason": TRACE}


def test_a_bad_model_beside_a_good_one_is_a_warning() -> None:
    verdict = judged([GOOD, BAD, {"name": "never"}])
    assert not verdict.fatal
    assert verdict.states == {
        "bad": "ModuleNotFoundError: No module named 'cv2.dnn'",
        "good": "READY",
        "never": "it was not loaded; the log says why",
    }
    assert verdict.warnings[0] == "model bad: ModuleNotFoundError: No module named 'cv2.dnn'"


def test_bad_models_alone_fail_the_start_with_each_reason_and_its_place() -> None:
    verdict = judged([BAD])
    assert verdict.fatal
    assert verdict.cause == "missing-library"
    assert verdict.reason == "the model could not be loaded: bad: ModuleNotFoundError: No module named 'cv2.dnn'"
    assert verdict.hint == "add the line cv2 to bad/requirements.txt in the model repository"
    assert verdict.frames == ({"file": "/m/bad/1/model.py", "line": 3, "function": "initialize", "code": ""},)


def test_what_nobody_asked_for_yet_is_not_missed() -> None:
    assert judged([{"name": "later"}], only=[]).states == {}
    assert not judged([{"name": "later"}, GOOD], only=["good"]).warnings
    assert judged([GOOD], only=["gone"]).fatal


def test_an_older_version_that_serves_makes_a_model_ready() -> None:
    assert judged([GOOD, {**BAD, "name": "good", "version": "2"}]).states == {"good": "READY"}


def test_the_last_of_an_option_counts() -> None:
    assert option(["--http-port=1", "--id=a", "--http-port=2"], "http-port") == "2"
    assert option([], "http-port") is None


def test_a_report_is_what_a_backend_reads(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path in (str(tmp_path / "report.jsonl"), "-"):
        report = Report(path)
        report.phase("load", "running")
        report.facts({"models": {"a": "READY"}})
        report.failure("load", "load-exception", "why", "what next")
        report.ready()
    written = (tmp_path / "report.jsonl").read_text().splitlines()
    told = Told().with_lines(written)
    assert told.facts == {"models": {"a": "READY"}}
    assert told.failure is not None
    assert told.failure["reason"] == "why"
    shown = capfd.readouterr().out.split("\n")[:-1]
    assert [line[0] for line in shown] == ["\x1e"] * 4
    assert [set(json.loads(line[1:])) for line in shown] == [set(json.loads(line)) for line in written]


def test_an_ensemble_gets_the_empty_folder_that_copies_do_not_keep(tmp_path: Path) -> None:
    repository = tmp_path / "models"
    (repository / "adder" / "1").mkdir(parents=True)
    (repository / "chain").mkdir()
    (repository / "chain" / "config.pbtxt").write_text('platform: "ensemble"\n')
    (word,) = completed([f"--model-repository={repository}"], tmp_path)
    made = Path(word.partition("=")[2])
    assert made != repository
    assert (made / "chain" / "1").is_dir()
    assert (made / "chain" / "config.pbtxt").read_text() == 'platform: "ensemble"\n'
    assert (made / "adder" / "1").is_dir()
    (repository / "chain" / "1").mkdir()
    assert completed([f"--model-repository={repository}", "--id=a"], tmp_path) == [
        f"--model-repository={repository}",
        "--id=a",
    ]


def test_states_of_several_instances_are_one_row() -> None:
    rows = merged({"a": [GOOD, BAD], "b": [{**GOOD, "state": "UNAVAILABLE"}, BAD]})
    assert [(row["name"], row["state"]) for row in rows] == [("bad", "UNAVAILABLE"), ("good", "MIXED")]
    assert rows[0]["reason"] == "ModuleNotFoundError: No module named 'cv2.dnn'"
