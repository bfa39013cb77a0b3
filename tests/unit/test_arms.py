"""Requests whose arm is compared: the gateway's notes, what is kept of them, and the report."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlserve.errors import InvalidInput, MlserveError
from mlserve.gateway.arms import noted
from mlserve.gateway.table import Route, Target
from mlserve.hub.arms.effect import Moments
from mlserve.hub.arms.experiment import Experiment, Found, control_of, report
from mlserve.hub.arms.feedback import Feedback, read
from mlserve.hub.arms.ledger import DAYS, Ledger, Position
from mlserve.hub.arms.lines import Asked, key
from mlserve.hub.arms.lines import read as read_line
from mlserve.hub.arms.notes import Notes

NOW = 1_800_000_000.0
OPENED: list[Ledger] = []


def line(identity: str, cluster: str = "blue/3", **more: Any) -> bytes:
    said = {"at": str(NOW), "caller": None, "cluster": cluster, "grpc": None, "ms": 4, "route": "shop", "status": 200}
    return json.dumps({**said, "id": identity, **more}).encode() + b"\n"


def ledger(tmp_path: Path, most: tuple[int, int] = (1000, 1000)) -> Ledger:
    OPENED.append(Ledger(tmp_path / "arms.db", most))
    return OPENED[-1]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def asked(identity: str, arm: str, at: float = NOW, caller: str = "") -> Asked:
    return Asked("shop", key("shop", identity), arm, key("shop", caller or identity), at, False, 3)


def told(kept: Ledger, arm: str, metric: str = "reward", since: float = 0.0) -> Moments:
    return kept.moments("shop", metric, since).get(arm, Moments())


def test_a_line_says_who_answered_whom() -> None:
    found = read_line(line("abc", caller="alice", status=503))
    assert found == Asked("shop", key("shop", "abc"), "blue", key("shop", "alice"), NOW, True, 4)
    itself = read_line(line("abc", "shop/12/grpc", grpc=14))
    assert itself is not None
    assert (itself.arm, itself.failed, itself.caller) == ("12", True, key("shop", "abc"))
    talk = read_line(line("abc", status=101, ms=60000))
    assert talk is not None
    assert talk.ms is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        line("a")[:40],
        line(""),
        line("a", ""),
        line("a", "login"),
        line("a", status="-"),
        b"\xff",
    ],
)
def test_what_is_no_request_with_an_answer_is_passed_over(text: bytes) -> None:
    assert read_line(text) is None


def test_feedback_is_joined_before_and_after_its_request_is_known_and_the_last_value_counts(tmp_path: Path) -> None:
    kept = ledger(tmp_path)
    early, late = Feedback("early", 1.0), Feedback("late", 5.0)
    assert kept.tell("shop", [early], NOW) == ["early"]
    kept.take([asked("early", "blue"), asked("late", "green")], Position(7, 100))
    assert kept.tell("shop", [late, Feedback("late", 2.0, "margin")], NOW) == []
    assert kept.tell("shop", [Feedback("late", 3.0)], NOW) == []
    assert (told(kept, "blue").mean, told(kept, "green").mean, told(kept, "green", "margin").mean) == (1.0, 3.0, 2.0)
    assert kept.tell("other", [late], NOW) == ["late"], "another group's request is another one"
    assert kept.metrics("shop", 0) == {"margin": 0, "reward": 0}
    assert kept.metrics("other", 0) == {"reward": 1}
    assert told(kept, "blue", since=NOW + 1) == Moments()
    kept.close()
    again = ledger(tmp_path)
    assert again.position() == Position(7, 100)
    assert told(again, "green").mean == 3.0


def test_a_damaged_file_is_put_aside_and_another_is_begun(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "arms.db").write_bytes(b"no database" * 1000)
    (tmp_path / "arms.db-wal").write_bytes(b"of that")
    kept = ledger(tmp_path)
    kept.take([asked("mine", "blue")], Position(1, 2))
    assert kept.tell("shop", [Feedback("mine", 1.0)], NOW) == []
    assert (tmp_path / "arms.db.damaged").read_bytes().startswith(b"no database")
    assert "ledger-damaged" in caplog.text
    kept.close()
    assert ledger(tmp_path).position() == Position(1, 2)


def test_feedback_looks_at_one_request_however_many_have_its_id(tmp_path: Path) -> None:
    kept = ledger(tmp_path, (100_000, 1000))
    steps: list[int] = []

    def taken(metric: str) -> int:
        steps.clear()
        assert kept.tell("shop", [Feedback("mine", 1.0, metric)], NOW) == []
        return len(steps)

    kept.take([asked("mine", "blue")], Position())
    kept._file.set_progress_handler(lambda: steps.append(1), 10)
    one = taken("first")
    kept.take([asked("mine", "green")] * 5000, Position())
    assert taken("second") <= one + 5, "in tens of SQLite's steps"
    assert told(kept, "green", "second").n == 1


def test_an_id_that_was_used_twice_means_the_last_request(tmp_path: Path) -> None:
    kept = ledger(tmp_path)
    kept.take([asked("mine", "blue"), asked("mine", "green")], Position())
    assert kept.tell("shop", [Feedback("mine", 1.0)], NOW) == []
    kept.take([asked("mine", "blue")], Position())
    assert (told(kept, "blue").n, told(kept, "green").n) == (0, 1), "what is joined stays so"


def test_values_are_added_up_by_caller(tmp_path: Path) -> None:
    kept = ledger(tmp_path)
    kept.take([asked(str(n), "blue", caller=f"user {n % 2}") for n in range(5)], Position())
    kept.tell("shop", [Feedback(str(n), 1e9 + n) for n in range(5)], NOW)
    found = told(kept, "blue")
    assert (found.callers, found.n, found.nn, found.once, found.binary) == (2, 5, 13, False, False)
    assert found.mean == 1e9 + 2
    assert kept.callers("shop", 0) == {"blue": 2}
    kept.take([asked("a", "green"), asked("b", "green")], Position())
    kept.tell("shop", [Feedback("a", 1.0, "bought"), Feedback("b", 0.0, "bought")], NOW)
    assert told(kept, "green", "bought") == Moments(2, 2, 1.0, 2.0, 1.0, 1.0, True, True, 0.0)


def test_what_is_too_old_or_too_much_is_forgotten_and_feedback_keeps_its_arm(tmp_path: Path) -> None:
    kept = ledger(tmp_path, most=(3, 2))
    kept.take([asked(str(n), "blue") for n in range(5)], Position())
    kept.tell("shop", [Feedback("4", 1.0)], NOW)
    kept.prune(NOW)
    assert kept.tell("shop", [Feedback("1", 1.0)], NOW + 1) == ["1"]
    kept.tell("shop", [Feedback("3", 1.0)], NOW + 2)
    kept.prune(NOW)
    assert told(kept, "blue").n == 1, "the oldest of three values went"
    kept.prune(NOW + (DAYS + 1) * 86400)
    assert kept.durations("shop", 0) == {}
    assert kept.metrics("shop", 0) == {}


def test_many_threads_tell_while_requests_come(tmp_path: Path) -> None:
    kept = ledger(tmp_path)

    def tells(part: int) -> None:
        for n in range(20):
            kept.tell("shop", [Feedback(f"{part} {n}", 1.0)], NOW)

    threads = [threading.Thread(target=tells, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for n in range(20):
        kept.take([asked(f"{part} {n}", "blue") for part in range(4)], Position(1, n))
        assert kept.durations("shop", 0)["blue"] == [(3, 4 * (n + 1), 0)]
    for thread in threads:
        thread.join()
    assert told(kept, "blue").n == 80


def test_a_file_that_can_not_be_had_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "arms.db").mkdir()
    with pytest.raises(MlserveError, match=r"arms\.db"):
        ledger(tmp_path)


class Gateway:
    """Writes lines as Envoy does: into the file it has open, whatever that is called by now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("ab", buffering=0)
        self.asked = 0

    async def begin_anew(self) -> None:
        self.asked += 1

    def reopen(self) -> None:
        self.file.close()
        self.file = self.path.open("ab", buffering=0)


def count(kept: Ledger) -> int:
    return sum(n for rows in kept.durations("shop", 0).values() for _, n, _ in rows)


def test_notes_are_read_once_though_files_change_and_hubs_die(tmp_path: Path) -> None:
    kept, path = ledger(tmp_path), tmp_path / "arms.log"
    gateway = Gateway(path)

    def notes() -> Notes:  # each is another hub's
        return Notes(path, kept, gateway.begin_anew, large=300)

    asyncio.run(notes().follow())
    gateway.file.write(line("1") + line("2")[:20])
    asyncio.run(notes().follow())
    assert count(kept) == 1, "half a line waits for its rest"
    gateway.file.write(line("2")[20:] + line("3"))
    asyncio.run(notes().follow())
    assert (count(kept), path.exists(), gateway.asked) == (3, False, 1)
    gateway.file.write(line("4"))  # it has not begun another file yet
    asyncio.run(notes().follow())
    assert (count(kept), gateway.asked) == (4, 2)
    gateway.file.write(line("5"))
    gateway.reopen()
    gateway.file.write(line("6"))
    asyncio.run(notes().follow())
    assert (count(kept), (tmp_path / "arms.log.1").exists()) == (6, False)
    asyncio.run(notes().follow())
    gateway.file.write(b"garbage\n" + line("7"))
    asyncio.run(notes().follow())
    asyncio.run(notes().follow())
    assert count(kept) == 7
    gateway.file.close()


def test_notes_without_a_gateway_are_none(tmp_path: Path) -> None:
    async def nobody() -> None:
        raise AssertionError("there is nothing to begin anew")

    asyncio.run(Notes(tmp_path / "arms.log", kept := ledger(tmp_path), nobody).follow())
    assert count(kept) == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b'{"request_id": "a", "value": Infinity}', "Infinity"),
        (b'{"request_id": "a", "value": 1e400}', "/value"),
        (b'{"request_id": "a", "value": 1%s}' % (b"0" * 400), "/value"),
        (b'{"request_id": "\\ud800", "value": 1}', "/request_id"),
        (b'{"request_id": "a", "value": null}', "/value"),
        (b'{"request_id": "a"}', "/value"),
        (b'{"value": 1}', "/request_id"),
        (b'{"request_id": 7, "value": 1}', "/request_id"),
        (b'{"request_id": "%s", "value": 1}' % (b"a" * 201), "1 to 200"),
        (b'[{"request_id": "a", "value": 1}, 3]', "/1 is not an object"),
        (b'{"request_id": "a", "value": 1, "name": ""}', "/name"),
        (b'{"request_id": "a", "value": 1, "arm": "x"}', "/arm is unknown"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (json.dumps([{"request_id": "a", "value": 1}] * 1001).encode(), "at most 1000"),
    ],
)
def test_feedback_that_is_none_is_refused_whole(body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(body)
    assert words in refused.value.message + refused.value.hint


def test_feedback_is_one_value_or_several_numbers_or_yes_and_no() -> None:
    assert read(b'{"request_id": "a", "value": true}') == [Feedback("a", 1.0)]
    several = b'[{"request_id": "a", "value": false}, {"request_id": "b", "value": -2.5, "name": "margin"}]'
    assert read(several) == [Feedback("a", 0.0), Feedback("b", -2.5, "margin")]
    assert read(b"[]") == []


SHOP = Experiment("shop", {"blue": 50, "green": 50, "red": 0}, NOW, NOW, "header:x-user")


def found(**more: Any) -> Found:
    return Found(**{"durations": {}, "callers": {}, "moments": {}, "metrics": {}, "balance": {}, **more})


def test_a_report_has_each_arm_and_its_quantiles() -> None:
    durations = {"green": [(None, 2, 0), (1, 90, 0), (5, 9, 1), (80, 1, 1)]}
    told = report(SHOP, found(durations=durations), "reward", "green")
    green, blue, red = told["arms"]
    assert (green["arm"], green["requests"], green["errors"], green["p50_ms"], green["p95_ms"]) == (
        "green",
        102,
        2,
        1,
        5,
    )
    assert (blue["requests"], blue["p95_ms"], blue["mean"], red["percent"]) == (0, None, None, 0.0)
    assert [effect["arm"] for effect in told["effects"]] == ["blue", "red"]
    assert told["warnings"] == []


def test_a_report_warns_of_shares_that_are_off_of_strangers_and_of_callers_who_do_not_stick() -> None:
    off = {"balance": {"blue": 700, "green": 300}, "metrics": {"margin": 3, "reward": 2}}
    assert ["not shared as the weights say" in text for text in _warned(SHOP, off)] == [True, False]
    free = Experiment("shop", {"blue": 1, "green": 1}, NOW, None)
    assert [text.split()[0] for text in _warned(free, off)] == ["callers", "2"]
    assert "margin, reward" in _warned(free, off, "speed")[-1]


def _warned(experiment: Experiment, more: dict[str, Any], metric: str = "reward") -> list[str]:
    warnings: list[str] = report(experiment, found(**more), metric, "blue")["warnings"]
    return warnings


def test_a_control_is_the_first_arm_or_the_one_named() -> None:
    assert (control_of(SHOP, ""), control_of(SHOP, "red")) == ("blue", "red")
    with pytest.raises(InvalidInput, match="is no arm"):
        control_of(SHOP, "pink")
    with pytest.raises(InvalidInput, match="one arm only"):
        control_of(Experiment("shop", {"blue": 1}, NOW, None), "")


def test_requests_are_noted_where_several_arms_share_them_alone() -> None:
    two = Target("blue", 1), Target("green", 1)
    group = Route("shop", (), members=two, feedback="secret")
    (made,) = noted(group, [{"typed_per_filter_config": {"other": {}}}])
    assert [*made["typed_per_filter_config"]] == ["other", "envoy.filters.http.header_to_metadata"]
    assert noted(Route("shop", (), members=two), [{}]) == [{}]
    assert noted(Route("shop", (), members=two[:1], feedback="secret"), [{}]) == [{}]
