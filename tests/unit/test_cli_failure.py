"""How a failure record reads."""

from __future__ import annotations

from mlserve_cli.failure import render

RECORD = {
    "service": "iris",
    "version": 2,
    "instance": "iris-2-a",
    "phase": "load",
    "cause": "version-mismatch",
    "reason": "the model needs a newer library",
    "hint": "save it again",
    "frames": [{"file": "app.py", "line": 3, "function": "load", "code": "raise ValueError()"}],
    "exception": {"type": "ValueError", "message": "boom"},
    "exit": {"signal": "SIGKILL"},
    "memory": {"limit_mb": 200, "peak_mb": 199},
    "probes": [{"at": 1, "ok": False, "detail": "refused"}],
    "versions": {"saved": {"scikit-learn": "1.2.2"}, "running": {"scikit-learn": "1.5.0"}},
    "log": [f"line {number}" for number in range(60)],
    "at": 1700000000.0,
}


def test_it_says_phase_reason_frames_end_memory_versions_log_and_what_to_try() -> None:
    text = render(RECORD)
    for expected in (
        "iris version 2",
        "load (version-mismatch)",
        "app.py:3 in load",
        "ValueError: boom",
        "signal SIGKILL",
        "199 MB at its peak, limit 200 MB",
        "saved with 1.2.2, runs 1.5.0",
        "probe     failed refused",
        "save it again",
        "2023-11-14T22:13:20Z",
    ):
        assert expected in text


def test_it_shows_the_last_forty_lines_of_the_log() -> None:
    text = render(RECORD)
    assert "line 20" in text
    assert "line 19\n" not in text


def test_a_record_with_little_in_it_still_reads() -> None:
    assert "did not fit" in render({"service": "iris", "phase": "fetch", "cause": "disk-full", "reason": "did not fit"})


def traceback_of(last: str) -> list[str]:
    return ["Traceback (most recent call last):", '  File "lib.py", line 1, in run', "    go()", "    ^^", last]


def test_a_traceback_that_repeats_the_exception_is_not_shown_again() -> None:
    linked = ["", "During handling of the above exception, another exception occurred:", ""]
    chain = [*traceback_of("KeyError: 'a'"), *linked, *traceback_of("errors.ValueError: boom")]
    other = traceback_of("OSError: disk")
    text = render({**RECORD, "log": ["before", *chain, "after", *other]})
    assert text.count("boom") == 1
    assert "lib.py" in text.partition("after")[2]
    assert "last 7 log lines" in text
    assert [line.strip() for line in text.splitlines()][-8:-6] == ["before", "after"]


def test_a_log_may_begin_inside_a_traceback_and_its_text_may_have_lines() -> None:
    told = {**RECORD, "exception": {"type": "ValueError", "message": "boom\n  and more"}}
    text = render({**told, "log": [*traceback_of("ValueError: boom")[1:], "  and more", "after"]})
    assert "go()" not in text
    assert text.count("and more") == 1
    assert "  last log line\n    after" in text


def test_a_reason_and_a_hint_that_are_said_beside_it_are_not_said_twice() -> None:
    text = render(RECORD, said='"iris" did not start: the model needs a newer library\nsave it again')
    assert "newer library" not in text
    assert "save it again" not in text
    told = {**RECORD, "reason": "load() failed: ValueError: boom"}
    assert render(told).count("ValueError: boom") == 1
