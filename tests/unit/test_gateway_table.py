"""What a table renders to, and in which order it is written."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from mlserve.errors import GatewayFailed
from mlserve.gateway.admin import admin_socket, make_private
from mlserve.gateway.log import Log
from mlserve.gateway.port import any_port, choose_port, split
from mlserve.gateway.rendering import Rendered, render, steps
from mlserve.gateway.table import Cluster, Route, Table

A, B = '{"name":"a/1"}', '{"name":"b/1"}'


def written(now: Rendered, wished: Rendered) -> list[tuple[str, str]]:
    return [(step.kind, step.resources) for step in steps(now, wished)]


def test_a_new_cluster_is_written_before_the_route_that_names_it() -> None:
    assert written(Rendered({}, "r0"), Rendered({"a/1": A}, "r1")) == [("cds", A), ("rds", "r1")]


def test_a_route_goes_before_its_cluster() -> None:
    assert written(Rendered({"a/1": A}, "r1"), Rendered({}, "r0")) == [("rds", "r0"), ("cds", "")]


def test_a_cluster_that_takes_over_from_another_overlaps_with_it() -> None:
    now, wished = Rendered({"a/1": A}, "ra"), Rendered({"b/1": B}, "rb")
    assert written(now, wished) == [("cds", f"{A},{B}"), ("rds", "rb"), ("cds", B)]


def test_what_did_not_change_is_not_written() -> None:
    same = Rendered({"a/1": A}, "r")
    assert written(same, same) == []
    assert written(same, Rendered({"a/1": A}, "r2")) == [("rds", "r2")]


def test_the_order_of_a_table_does_not_matter() -> None:
    clusters = Cluster("a", 1, ("127.0.0.1:1",)), Cluster("b", 1)
    routes = Route("a", ((1, 1),)), Route("b", ((1, 1),))
    assert render(Table(clusters, routes)) == render(Table(clusters[::-1], routes[::-1]))


def routes_of(table: Table, service: str) -> list[dict[str, Any]]:
    host = json.loads(render(table).routes)["virtual_hosts"][0]
    found: list[dict[str, Any]] = host["matcher"]["matcher_tree"]["prefix_match_map"]["map"][f"/api/predict/{service}"][
        "action"
    ]["typed_config"]["routes"]
    return found


def calls_of(table: Table, service: str) -> list[dict[str, Any]]:
    host = json.loads(render(table).routes)["virtual_hosts"][0]
    found: list[dict[str, Any]] = host["matcher"]["on_no_match"]["matcher"]["matcher_tree"]["exact_match_map"]["map"][
        service
    ]["action"]["typed_config"]["routes"]
    return found


def test_calls_of_grpc_keep_their_path_and_only_the_one_with_one_answer_its_deadline() -> None:
    route = Route("iris", ((1, 90), (2, 10)), token="a+b", timeout_seconds=5, max_body=1000)
    _, one, many, denied = calls_of(Table((), (route,)), "iris")
    assert one["match"]["path"].endswith("/ModelInfer")
    assert (one["route"]["idle_timeout"], many["route"]["idle_timeout"]) == ("5.000s", "3600s")
    assert shared(one) == shared(many)
    assert not any("regex_rewrite" in entry["route"] for entry in (one, many))
    assert all(entry["match"]["grpc"] == {} for entry in (one, many, denied))
    assert all(entry["match"]["headers"][0]["name"] == "authorization" for entry in (one, many))
    assert denied["direct_response"] == {"status": 401}


def test_a_stopped_service_answers_calls_too() -> None:
    stopped, denied = calls_of(Table((), (Route("iris", (), token="t"),)), "iris")
    assert (stopped["direct_response"]["status"], denied["direct_response"]["status"]) == (503, 401)


def test_a_cluster_that_speaks_http2_is_asked_in_the_protocol_of_the_request() -> None:
    clusters = Cluster("a", 1, ("127.0.0.1:1",), "/live", http2=True), Cluster("b", 1, ("127.0.0.1:2",), "/")
    a, b = (json.loads(text) for text in render(Table(clusters)).clusters.values())
    (options_a,), (options_b,) = (made["typed_extension_protocol_options"].values() for made in (a, b))
    assert set(options_a["use_downstream_protocol_config"]) == {"http_protocol_options", "http2_protocol_options"}
    assert options_b["explicit_http_config"] == {"http_protocol_options": {}}
    assert a["health_checks"][0]["http_health_check"] == {
        "path": "/live",
        "expected_statuses": [{"start": 200, "end": 400}],
    }


def shared(route: dict[str, Any]) -> list[list[tuple[str, int]]]:
    """The weights of a request's first try, and of those after it."""
    groups = route["route"]["inline_cluster_specifier_plugin"]["extension"]["typed_config"]["priority_groups"]
    return [[(one["cluster_name"], one["weight"]) for one in group["clusters"]] for group in groups]


def test_requests_are_shared_by_weight_and_tried_again_with_the_first_version() -> None:
    targets = ((1, 90), (2, 10), (3, 0))
    _, websocket, main = routes_of(Table((), (Route("iris", targets),)), "iris")
    expected = [[("iris/1", 90), ("iris/2", 10)], [("iris/1", 1)]]
    assert shared(main) == shared(websocket) == expected
    assert main["route"]["retry_policy"]["refresh_cluster_on_retry"]


def test_a_tokens_characters_are_only_themselves() -> None:
    _, _, main, *_, denied = routes_of(Table((), (Route("iris", ((1, 1),), token="a.b+c"),)), "iris")
    assert main["match"]["headers"][0]["string_match"]["safe_regex"]["regex"] == r"(?:(?i:bearer) +)?a\.b\+c"
    assert denied["direct_response"] == {"status": 401}


def test_only_a_bare_get_of_the_page_needs_no_token() -> None:
    route = Route("iris", ((1, 1),), token="t", open_docs=True)
    _, _, main, page, *_, denied = routes_of(Table((), (route,)), "iris")
    assert "headers" in main["match"]
    assert page["match"]["path"] == "/api/predict/iris/docs"
    assert [header["name"] for header in page["match"]["headers"]] == [":method", "upgrade"]
    assert denied["direct_response"] == {"status": 401}
    for other in (Route("iris", ((1, 1),), token="t"), Route("iris", (), token="t", open_docs=True)):
        assert not any("path" in entry["match"] for entry in routes_of(Table((), (other,)), "iris"))


def test_what_failed_for_good_says_so_in_both_protocols() -> None:
    table = Table((), (Route("iris", ((1, 1),), token="t", failed=True),))
    for stopped, *_, denied in (routes_of(table, "iris"), calls_of(table, "iris")):
        assert (stopped["direct_response"]["status"], denied["direct_response"]["status"]) == (590, 401)


def test_only_a_service_that_allows_it_has_requests_run_twice() -> None:
    for retry in (True, False):
        *_, main = routes_of(Table((), (Route("iris", ((1, 1),), retry=retry),)), "iris")
        host = json.loads(render(Table()).routes)["virtual_hosts"][0]
        policy = main["route"].get("retry_policy", host["retry_policy"])
        assert ("reset" in policy["retry_on"].split(",")) is retry


def test_where_a_new_version_errs_the_old_one_is_asked_unless_requests_must_not_run_twice() -> None:
    for targets, retry, again in (((1, 90), (2, 10)), True, True), (((1, 90), (2, 10)), False, False), (
        ((1, 1),), True, False,
    ):  # fmt: skip
        *_, main = routes_of(Table((), (Route("iris", targets, retry=retry),)), "iris")
        policy = main["route"].get("retry_policy", {})
        assert (500 in policy.get("retriable_status_codes", ())) is again


def test_no_probe_secret_means_no_probe_routes() -> None:
    clusters = (Cluster("iris", 1),)
    assert routes_of(Table(clusters), "iris") == []
    (probe,) = routes_of(Table(clusters, (), "secret"), "iris")
    assert probe["route"]["cluster"] == "iris/1"


def test_named_hosts_are_looked_up_and_addresses_are_not() -> None:
    clusters = Cluster("a", 1, ("box:1", "10.0.0.1:1")), Cluster("b", 1, ("[::1]:2",)), Cluster("c", 1)
    types = [json.loads(text)["type"] for text in render(Table(clusters)).clusters.values()]
    assert types == ["STRICT_DNS", "STATIC", "STATIC"]


def test_the_port_of_the_last_start_is_kept(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not choose_port(tmp_path).endswith(f":{taken.getsockname()[1]}")
    (tmp_path / "listen").write_text("127.0.0.1:9999\n")
    assert choose_port(tmp_path) == "127.0.0.1:9999"


def test_addresses_are_split_and_checked() -> None:
    assert split("[::1]:80") == ("::1", 80)
    assert split("localhost:80") == ("127.0.0.1", 80)
    assert int(any_port("127.0.0.1:0").rpartition(":")[2]) > 0
    for wrong in ("8080", ":8080", "host:", "host:0", "host:99999", "host:x"):
        with pytest.raises(GatewayFailed, match="not an address"):
            split(wrong)


def test_a_socket_directory_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    for name in ("open", "link", "file"):
        place = tmp_path / name
        if name == "open":
            place.mkdir(mode=0o755)
        elif name == "link":
            place.symlink_to(tmp_path)
        else:
            place.touch()
        with pytest.raises(GatewayFailed, match="not private"):
            make_private(place)
    make_private(tmp_path / "own")
    make_private(tmp_path / "own")


def test_a_long_home_gets_a_short_socket() -> None:
    assert admin_socket(Path("/short")) == Path("/short/admin.sock")
    long = admin_socket(Path("/" + "x" * 200))
    assert long.parent.name.startswith(f"mlserve-{os.getuid()}-")
    assert len(str(long)) < 100


def test_the_log_leaves_out_the_configurations_that_envoy_prints(tmp_path: Path) -> None:
    log = Log(tmp_path / "envoy.log")
    assert log.tail() == []
    log.path.write_text('plain\n[1] rejected: goo.gle/debugproto\nregex: "token"\n: the reason\n[2] next\nafter\n')
    assert log.tail() == ["plain", "[1] rejected: goo.gle/debugproto", ": the reason", "[2] next", "after"]
