"""Who may reach a hub from where is asked for in so many words, and remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.certificate_kit import certificate, write

from mlserve.errors import HubStartFailed, InvalidInput
from mlserve.hub.certificates import Certificates
from mlserve.hub.exposure import UNTOLD, Exposure, exposure, is_loopback, keep
from mlserve.hub.home import Home


@pytest.mark.parametrize("listen", ["0.0.0.0:7000", "[::]:7000", "10.1.2.3:0", "gpu-box:7000", ":7000", "7000"])
def test_other_machines_reach_no_hub_without_tls_unless_told_so(tmp_path: Path, listen: str) -> None:
    home = Home(tmp_path / "home")
    with pytest.raises(InvalidInput, match="without TLS"):
        exposure(home, Exposure(listen))
    assert exposure(home, Exposure(listen, insecure=True)).listen == listen
    assert exposure(home, Exposure(listen, "c.pem", "k.pem")).tls_cert == str(Path("c.pem").absolute())
    for alone in (Exposure(listen, "c.pem"), Exposure(listen, tls_key="k.pem")):
        with pytest.raises(InvalidInput, match="needs its"):
            exposure(home, alone)
    home.close()


def test_this_machine_needs_no_tls() -> None:
    assert all(map(is_loopback, ("127.0.0.1:0", "localhost:80", "[::1]:80", "127.9.9.9:1")))


def test_the_next_hub_does_as_before_unless_told_otherwise(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert exposure(home, UNTOLD) == UNTOLD
    keep(home, exposure(home, Exposure("0.0.0.0:7000", "/c.pem", "/k.pem")))
    assert exposure(home, UNTOLD) == Exposure("0.0.0.0:7000", "/c.pem", "/k.pem")
    assert exposure(home, Exposure("127.0.0.1:0")) == Exposure("127.0.0.1:0")
    home.close()


def test_a_certificate_that_does_not_fit_its_key_is_refused(tmp_path: Path) -> None:
    chain, key = write(tmp_path / "tls", 1)
    assert Certificates(chain, key).name() == "gpu-box"
    key.write_text(certificate(2)[1])
    with pytest.raises(HubStartFailed, match="can't be used"):
        Certificates(chain, key)
    for broken in ("", "not PEM"):
        chain.write_text(broken)
        with pytest.raises(HubStartFailed, match=r"cert\.pem"):
            Certificates(chain, key)
    with pytest.raises(HubStartFailed, match="No such file"):
        Certificates(tmp_path / "nothing.pem", key)
