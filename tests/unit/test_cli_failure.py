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
