"""Which engine an address, a docker context or docker's own variables mean."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mlserve.backends.docker.contexts import find
from mlserve.backends.docker.options import checked
from mlserve.backends.docker.target import Tls, target
from mlserve.errors import InvalidInput


def context(folder: Path, name: str, **endpoint: Any) -> str:
    """Write a context as `docker context create` does; returns the folder of its TLS files."""
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / key / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    return str(folder / "contexts" / "tls" / key / "docker")


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("unix:///run/docker.sock", "unix:///run/docker.sock"),
        ("tcp://box", "tcp://box:2375"),
        ("tcp://box:99", "tcp://box:99"),
        ("ssh://ml@box:22", "ssh://ml@box:22"),
        ("ssh://box", "ssh://box"),
    ],
)
def test_addresses_are_read(host: str, shown: str) -> None:
    assert str(target(host)) == shown


def test_an_ssh_address_may_name_the_socket_there() -> None:
    assert target("ssh://box/run/user/1000/docker.sock").path == "/run/user/1000/docker.sock"
    assert target("ssh://box").path == "/var/run/docker.sock"


@pytest.mark.parametrize(
    "host",
    ["box", "http://box", "tcp://", "ssh://ml:secret@box", "ssh://-oProxyCommand=x", "ssh://-l@box", "tcp://b:x"],
)
def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        target(host)
    assert caught.value.hint
    assert "secret" not in caught.value.message


def test_ports_are_published_on_an_ip_only() -> None:
    assert target("ssh://box", address="10.0.0.7").address == "10.0.0.7"
    for other in ("box", "::1", "10.0.0.0/8"):
        with pytest.raises(InvalidInput, match="no IPv4 address"):
            target("ssh://box", address=other)
    with pytest.raises(InvalidInput, match="is an IPv6 address"):
        target("tcp://[::1]:2376")
    assert target("ssh://me@[::1]").destination == "me@::1"


def test_tls_needs_key_and_certificate_together(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="tls_key is missing"):
        find({"host": "tcp://box", "tls_cert": "cert.pem"}, {})
    found = find({"host": "tcp://box", "tls_ca": "ca.pem"}, {})
    assert (found.port, found.tls) == (2376, Tls(Path("ca.pem")))


def test_a_context_gives_host_and_tls(tmp_path: Path) -> None:
    folder = Path(context(tmp_path, "gpu", Host="tcp://box:2376"))
    folder.mkdir(parents=True)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (folder / name).write_text("")
    found = find({"host": "gpu"}, {"DOCKER_CONFIG": str(tmp_path)})
    assert str(found) == "tcp://box:2376"
    assert found.tls == Tls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")


def test_an_unknown_context_names_those_there_are(tmp_path: Path) -> None:
    context(tmp_path, "gpu", Host="ssh://box")
    with pytest.raises(InvalidInput, match=r'no context "cpu" here \(contexts: default, gpu\)'):
        find({"host": "cpu"}, {"DOCKER_CONFIG": str(tmp_path)})


def test_without_a_host_it_is_what_docker_itself_would_use(tmp_path: Path) -> None:
    home = {"DOCKER_CONFIG": str(tmp_path)}
    assert str(find({}, home)) == "unix:///var/run/docker.sock"
    context(tmp_path, "gpu", Host="ssh://box")
    (tmp_path / "config.json").write_text('{"currentContext": "gpu"}')
    assert str(find({}, home)) == "ssh://box"
    assert str(find({}, {**home, "DOCKER_CONTEXT": "default"})) == "unix:///var/run/docker.sock"
    assert str(find({}, {**home, "DOCKER_HOST": "tcp://other:1"})) == "tcp://other:1"


def test_docker_tls_verify_set_but_empty_means_no_verification(tmp_path: Path) -> None:
    home = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_HOST": "tcp://box:1"}
    assert find({}, {**home, "DOCKER_TLS_VERIFY": ""}).tls == Tls(verify=False)
    assert find({}, {**home, "DOCKER_TLS_VERIFY": "1"}).tls == Tls()
    assert find({}, home).tls is None


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match='did you mean "tls_ca"'):
        checked({"tls-ca": "x"})
