"""The benchmarks' own arithmetic: medians, ratios, tables and bars are worth no more than these."""

from __future__ import annotations

import json
import struct

import pytest
from benchmarks.odd_bodies import odd_bodies
from benchmarks.peers.base import flat, nested, own_json, v2_binary, v2_json
from benchmarks.random_bodies import good_bodies
from benchmarks.serving import grpc_load
from benchmarks.serving.answers import Wrong, compare
from benchmarks.serving.bars import bars
from benchmarks.serving.models import Model
from benchmarks.serving.options import read
from benchmarks.serving.report import report, table
from benchmarks.serving.results import OURS, Cell, Results
from benchmarks.serving.samples import Sample, Spread, number, percentile, ratios, rotated
from benchmarks.soak import slope

MODEL = Model(
    name="m",
    path=None,  # type: ignore[arg-type]
    input="x",
    shape=[1, 2, 2],
    data=[1.0, 2.0, 3.0, 4.5],
    outputs={"label": {"kind": "int64", "data": [1]}, "p": {"kind": "float32", "data": [0.25, 0.75]}},
)


def sample(rps: float, p99: float = 2.0, errors: int = 0) -> Sample:
    return Sample(rps, p50=1.0, p99=p99, cpu=10.0, errors=errors)


def test_a_spread_says_median_and_extremes() -> None:
    assert str(Spread([3.0, 1.0, 2.0])) == "2.00 [1.00–3.00]"


@pytest.mark.parametrize(("value", "said"), [(12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23")])
def test_a_number_has_the_figures_that_matter(value: float, said: str) -> None:
    assert number(value) == said


def test_ratios_are_made_round_by_round() -> None:
    assert ratios([10, 40], [5, 10]).values == [2, 4]


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_a_value_that_was_seen(share: float, wanted: int) -> None:
    assert percentile(range(1, 101), share) == wanted


def test_nobody_is_always_first() -> None:
    assert [rotated("abc", turn)[0] for turn in range(4)] == ["a", "b", "c", "a"]
    assert rotated([], 3) == []


def test_numbers_keep_their_order_through_nesting() -> None:
    assert nested(MODEL.data, MODEL.shape) == [[[1.0, 2.0], [3.0, 4.5]]]
    assert flat(nested(MODEL.data, MODEL.shape)) == MODEL.data


def test_each_format_holds_the_same_numbers_and_reads_its_own_answer() -> None:
    answer = {"outputs": [{"name": "label", "data": [1]}, {"name": "p", "data": [0.25, 0.75]}]}
    assert json.loads(v2_json(MODEL).body)["inputs"][0]["data"] == MODEL.data
    assert v2_json(MODEL).numbers(json.dumps(answer).encode(), {}) == [0.25, 0.75]
    assert own_json("/", MODEL).numbers(b'{"outputs": [[0.25, 0.75]]}', {}) == [0.25, 0.75]
    binary = v2_binary(MODEL)
    length = int(binary.headers["inference-header-content-length"])
    assert struct.unpack("<4f", binary.body[length:]) == tuple(MODEL.data)
    head = json.dumps({"outputs": [{"name": "p", "parameters": {"binary_data_size": 8}}]}).encode()
    told = {"inference-header-content-length": str(len(head))}
    assert list(binary.numbers(head + struct.pack("<2f", 0.25, 0.75), told)) == [0.25, 0.75]


def test_a_wrong_answer_is_not_measured() -> None:
    compare([0.25, 0.75001], MODEL)
    with pytest.raises(Wrong, match="ONNX Runtime says"):
        compare([0.75, 0.25], MODEL)
    with pytest.raises(Wrong):
        compare([0.25], MODEL)


def test_a_grpc_answer_is_read_to_its_last_tensor() -> None:
    first, last = struct.pack("<q", 1), struct.pack("<2f", 0.25, 0.75)
    answer = b"\x0a\x01m" + b"\x32\x08" + first + b"\x32\x08" + last
    assert grpc_load.numbers(answer) == [0.25, 0.75]


def test_grpc_failures_are_counted_by_the_bytes_they_lack() -> None:
    said = "requests: 10 total, 10 started, 10 done, 10 succeeded, 0 failed, 0 errored, 0 timeout\n"
    said += "traffic: 1KB (1000) total, 100B (100) headers (space savings 9%), 80B (80) data"
    count = grpc_load.count(said, [["1", "200", "1000"], ["2", "200", "3000"]], 2.0, size=10)
    assert (count.errors, count.rps, count.p99) == (2, 5.0, 3.0)


def test_the_best_triton_is_the_one_to_beat() -> None:
    results, cell = Results(), Cell("iris", "json", "c=16")
    for ours, one, two in ((300, 50, 90), (330, 60, 100)):
        for who, rps in ((OURS, ours), ("Triton ×1", one), ("Triton ×2", two)):
            results.add(cell, who, sample(rps))
    (bar,) = bars(results)
    assert "Triton ×2" in bar.what
    assert bar.met
    assert bar.measured == "3.32 [3.30–3.33]×"


def test_a_server_that_fails_under_load_is_no_best_peer() -> None:
    results, cell = Results(), Cell("iris", "open", "70 %")
    results.add(cell, OURS, sample(100, p99=5))
    results.add(cell, "KServe", sample(10, p99=1, errors=3))
    results.add(cell, "Triton ×1", sample(50, p99=6))
    (bar,) = bars(results)
    assert bar.met
    assert "Triton ×1" in bar.what


def test_a_report_names_what_failed_and_leaves_out_what_was_not_measured() -> None:
    results = Results()
    results.add(Cell("iris", "json", "c=1"), OURS, sample(1000))
    results.add(Cell("iris", "json", "c=1"), "KServe", sample(100, errors=7))
    text = report(results)
    assert "| **mlserve** | 1,000 [1,000–1,000] rps, 1.00/2.00 ms |" in text
    assert "**7 errors**" in text
    assert "10.0 [10.0–10.0]×" in text
    assert "open arrivals" not in text


def test_a_table_without_rows_is_nothing() -> None:
    assert table(["a"], []) == ""
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"


def test_a_wrong_option_names_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert read(["--only", "triton,kserve", "--connections", "1,8"]).connections == (1, 8)
    with pytest.raises(SystemExit):
        read(["--only", "tritn"])
    assert "triton" in capsys.readouterr().err


def test_odd_bodies_are_the_same_for_a_seed_and_differ_between_seeds() -> None:
    first, again, other = (list(odd_bodies("m", good_bodies(MODEL), 200, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert all("{}" not in odd.path for odd in first)


def test_a_slope_leaves_out_the_warming_up() -> None:
    flat_after_a_rise = [(10.0 * step, min(100.0, 50.0 + 20 * step)) for step in range(12)]
    assert slope(flat_after_a_rise) == pytest.approx(0.0)
    assert slope([(60.0 * step, float(step)) for step in range(10)]) == pytest.approx(60.0)
    assert slope([(10.0, 50.0)]) == 0.0
