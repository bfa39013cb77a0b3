"""What goes wrong on the way to a Docker engine, in words: each with what to do next."""

from __future__ import annotations

import pytest

from mlserve.backends.docker import refusals, troubles
from mlserve.backends.docker.target import target
from mlserve.errors import Conflict, FetchFailed, InvalidInput, MlserveError, NoCapacity, NotFound, ResourceUnavailable

UNIX = target("unix:///var/run/docker.sock")
TCP = target("tcp://box:2376")
SSH = target("ssh://ml@box:2222")


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        (
            "FileNotFoundError: [Errno 2] No such file",
            "unix:///var/run/docker.sock can't be reached: there is no socket at",
            "install",
        ),
        ("PermissionError: [Errno 13] Permission denied", "may not use the socket", "usermod -aG wheel"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "nothing listens at this address", "systemctl"),
        ("ReadTimeout: read timed out", "no answer in time", "hangs"),
        ("ConnectionError: Connection aborted. RemoteDisconnected", "ended the connection", "journalctl"),
    ],
)
def test_a_socket_that_fails_says_how(text: str, says: str, hint: str) -> None:
    error = troubles.unreachable(text, UNIX, "wheel")
    assert isinstance(error, ResourceUnavailable)
    assert says in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("certificate verify failed: certificate has expired", "has expired"),
        ("certificate verify failed: Hostname mismatch, certificate is not valid for 'box'", "another name than box"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer", "signed by another authority"),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", "does not accept this client's"),
        ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate", "does not accept this client's"),
        ("KEY_VALUES_MISMATCH", "can't be used together"),
        ("Client sent an HTTP request to an HTTPS server.", "wants TLS"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak TLS"),
        ("NameResolutionError: Failed to resolve 'box'", '"box" is not known'),
        ("OSError: [Errno 113] No route to host", "no way leads to box"),
    ],
)
def test_a_connection_that_fails_says_how(text: str, says: str) -> None:
    error = troubles.unreachable(text, TCP)
    assert says in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("stderr", "says"),
    [
        ("Host key verification failed.", "host key of box is not known"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "another one than"),
        ("ml@box: Permission denied (publickey).", "does not accept this user's key"),
        ("ssh: Could not resolve hostname box: Name or service not known", '"box" is not known'),
        ("ssh: connect to host box port 2222: Connection refused", "no ssh server listens on box"),
        ("ssh: connect to host box port 2222: Connection timed out", "can't be reached"),
        ("channel 2: open failed: administratively prohibited: open failed", "does not forward sockets"),
        ("kex_exchange_identification: banana", "banana"),
    ],
)
def test_a_tunnel_that_fails_says_what_ssh_said(stderr: str, says: str) -> None:
    assert says in troubles.ssh_failed(stderr, SSH).message


def test_a_login_that_works_tells_whether_docker_is_there() -> None:
    assert "there is no socket" in troubles.no_engine_behind(SSH, "missing").message
    assert "usermod -aG docker ml" in troubles.no_engine_behind(SSH, "denied").hint


@pytest.mark.parametrize(
    ("status", "text", "kind", "code"),
    [
        (500, 'could not select device driver "" with capabilities: [[gpu]]', NoCapacity, "gpu-missing"),
        (500, "Bind for 127.0.0.1:80 failed: port is already allocated", Conflict, "port-taken"),
        (404, "No such image: nope:latest", NotFound, "image-missing"),
        (500, "Get https://registry/v2/: no basic auth credentials", FetchFailed, "credentials"),
        (400, "invalid mount config: bind source path does not exist: /nope", InvalidInput, "bind-refused"),
        (500, "write /var/lib/docker/x: no space left on device", NoCapacity, "disk-full"),
        (404, "No such container: x", NotFound, "not-found"),
        (409, 'The container name "/x" is already in use', Conflict, "conflict"),
        (400, "bad parameter", InvalidInput, "bad-request"),
        (500, "something else", MlserveError, "engine-failed"),
    ],
)  # fmt: skip
def test_what_an_engine_refuses_has_a_code_of_ours(status: int, text: str, kind: type[MlserveError], code: str) -> None:
    error = refusals.refused(status, text, UNIX)
    assert type(error) is kind
    assert error.details[0]["code"] == code
    assert text in error.message


def test_causes_are_found_however_deep_a_library_wraps_them() -> None:
    error = RuntimeError("Error while fetching server API version", PermissionError(13, "Permission denied"))
    assert "may not use the socket" in troubles.unreachable(error, UNIX).message
    outer = ValueError("x")
    outer.__cause__ = error
    assert "may not use the socket" in troubles.unreachable(outer, UNIX).message
