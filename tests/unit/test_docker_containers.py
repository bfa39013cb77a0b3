"""What the engine is asked for, what its answers mean, and what labels carry: functions of their arguments."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mlserve.backends.docker import deaths, labels, ports
from mlserve.backends.docker.containers import Placing, further_container, main_container
from mlserve.backends.docker.output import is_log, written
from mlserve.backends.evidence import reason, retryable
from mlserve.backends.sockets import Socket, listening
from mlserve.backends.told import with_ports
from mlserve.workload import Container, Mount, MountKind, Resources, Workload

IRIS = Workload("iris", 2, 3, command=("serve", "--port={port}", "--grpc={grpc_port}"), image="iris:2", ports=("grpc",))


def placing(workload: Workload) -> Placing:
    return Placing("hub-of-tests", "iris-2-a3f9", "10.0.0.7", ports.plan(workload))


def main(workload: Workload) -> dict[str, Any]:
    return main_container(workload, placing(workload))


def test_ports_are_published_on_one_address_and_told_to_the_program() -> None:
    body = main(IRIS)
    assert body["Entrypoint"] == ["serve"]
    assert body["Cmd"] == ["--port=8080", "--grpc=8081"]
    assert {"PORT=8080", "LISTENING_PORT=8080", "MLSERVE_REPORT=-"} <= set(body["Env"])
    anywhere = [{"HostIp": "10.0.0.7", "HostPort": ""}]
    assert body["HostConfig"]["PortBindings"] == {"8080/tcp": anywhere, "8081/tcp": anywhere}


def test_an_image_without_a_command_starts_what_it_was_made_for() -> None:
    body = main(replace(IRIS, command=(), port=80, health_port=9000))
    assert "Entrypoint" not in body
    assert "Cmd" not in body
    assert set(body["ExposedPorts"]) == {"80/tcp", "9000/tcp", "8080/tcp"}


def test_memory_has_no_swap_beside_it_and_no_limit_is_none() -> None:
    limited = main(replace(IRIS, resources=Resources(cpu=0.25, memory_mb=100)))["HostConfig"]
    assert (limited["Memory"], limited["MemorySwap"], limited["NanoCpus"]) == (100 << 20, 100 << 20, 250_000_000)
    assert "Memory" not in main(IRIS)["HostConfig"]


def test_a_workload_says_what_of_the_hardening_it_can_not_bear() -> None:
    body = main(replace(IRIS, read_only=False, user="0:0"))
    assert (body["User"], body["HostConfig"]["ReadonlyRootfs"]) == ("0:0", False)
    assert body["HostConfig"]["CapDrop"] == ["ALL"]
    hardened = main(IRIS)
    assert (hardened["User"], hardened["HostConfig"]["ReadonlyRootfs"]) == ("65534:65534", True)


def test_its_own_mount_at_tmp_wins() -> None:
    mounted = replace(placing(IRIS), mounts=({"Target": "/tmp", "Type": "tmpfs"},))
    assert main_container(IRIS, mounted)["HostConfig"]["Tmpfs"] == {}


def test_further_containers_use_the_first_ones_address() -> None:
    beside = Container("log:1", ("ship", "{port}"), {"A": "b"}, 9000)
    workload = replace(IRIS, containers=(beside,))
    body = further_container(workload, placing(workload), 1, beside, "c0ffee")
    assert body["HostConfig"]["NetworkMode"] == "container:c0ffee"
    assert "PortBindings" not in body["HostConfig"]
    assert body["Cmd"] == ["9000"]
    assert body["Labels"][labels.PART] == "1"
    assert labels.WORKLOAD not in body["Labels"]


def test_a_label_brings_back_the_workload_without_what_is_not_for_it() -> None:
    whole = replace(
        IRIS,
        containers=(Container("log:1", ("ship",)),),
        mounts=(Mount("/data", MountKind.SCRATCH, size_mb=5),),
        secrets={"key": "very secret"},
        resources=Resources(cpu=2, gpu=1),
        withdrawn=frozenset({"iris-2-a3f9"}),
        record='{"a": 1}',
    )
    text = labels.as_text(whole)
    assert "very secret" not in text
    assert labels.from_text(text, 3) == replace(whole, secrets={}, withdrawn=frozenset())
    newer = json.dumps({**json.loads(text), "of_a_later_mlserve": 1})
    assert labels.from_text(newer, 1).service == "iris"


def test_ports_of_a_label_are_what_they_were() -> None:
    plan = ports.plan(replace(IRIS, health_port=9000))
    assert ports.from_text(ports.as_text(plan)) == plan
    assert plan.all == [8080, 9000, 8081]


def container(**state: Any) -> dict[str, Any]:
    told = {"Running": False, "Status": "exited", "FinishedAt": "2026-11-21T11:44:49.123456789Z", "ExitCode": 0}
    return {"State": {**told, **state}, "Config": {"Image": "log:1"}}


@pytest.mark.parametrize(
    ("code", "ended"),
    [(0, {"status": 0}), (3, {"status": 3}), (137, {"signal": 9}), (143, {"signal": 15}), (255, {"status": 255})],
)
def test_exit_codes_tell_signals_from_statuses(code: int, ended: dict[str, int]) -> None:
    assert deaths.evidence_of([container(ExitCode=code)], 0)["exit"] == ended


def test_memory_that_ran_out_is_told_with_its_limit() -> None:
    found = deaths.evidence_of([container(ExitCode=137, OOMKilled=True)], 64)
    assert reason(found) == "out of memory: limit 64 MB, peak 64 MB"


def test_the_container_that_ended_first_is_the_one_that_is_named() -> None:
    later = container(FinishedAt="2026-11-21T11:44:50Z", ExitCode=143)
    found = deaths.evidence_of([later, container(ExitCode=2)], 0)
    assert reason(found) == "container 2 (log:1) exited with status 2"
    assert deaths.evidence_of([container(Running=True), None], 0)["removed"]
    assert reason(deaths.evidence_of([None], 0)) == "its container was removed by somebody else"


def test_one_that_was_never_started_ended_in_no_way() -> None:
    assert deaths.evidence_of([container(Status="created", FinishedAt="0001-01-01T00:00:00Z")], 0) == {}


def test_what_an_engine_refuses_is_tried_again_where_that_can_help() -> None:
    problem = {"error": "no such image", "hint": "", "code": "image-missing", "path": "x"}
    assert not retryable({"not_started": {**problem, "lasting": True}})
    assert retryable({"not_started": {**problem, "code": "port-taken", "lasting": False}})
    assert reason({"not_started": problem}) == "could not be started: no such image"


def test_lines_that_the_engine_cut_are_whole_again_and_reports_are_taken_out() -> None:
    stamp = b"2026-11-21T11:44:49.123456789Z "
    pieces = [stamp + b"x" * 100, stamp + b"y\n", stamp + b"before\x1e{}\n", stamp + b'\x1e{"a":1}\n', stamp + b"end"]
    lines = list(written(pieces))
    assert [line.text for line in lines if is_log(line)] == ["x" * 100 + "y", "before", "end"]
    assert [line.report for line in lines if line.report] == ["{}", '{"a":1}']
    assert lines[0].at == pytest.approx(1795261489.123456)


def test_an_empty_line_is_one_for_people() -> None:
    assert [is_log(line) for line in written([b"2026-11-21T11:44:49Z \n"])] == [True]


def test_sockets_of_a_table_say_whether_others_reach_them() -> None:
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 7 1 0\n"
        "   1: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 8 1 0\n"
        "   2: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 65534        0 9 1 0\n"
    )
    found = [socket for socket, _ in listening(table)]
    assert found == [Socket("127.0.0.1", 8080), Socket("0.0.0.0", 8081)]
    assert [socket.everywhere for socket in found] == [False, True]
    assert all(socket.on_loopback for socket in found)


def test_every_name_of_a_port_in_a_command_becomes_its_number() -> None:
    assert with_ports(["{port}:{grpc_port}", "{other}"], 80, {"grpc": 81}) == ["80:81", "{other}"]
