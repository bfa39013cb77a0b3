"""Which refusals of an engine a start meets again, so that it is not tried over and over."""

from __future__ import annotations

from mlserve.backends.docker.refusals import LASTING, REFUSALS


def test_what_only_another_wish_or_hand_can_change_lasts_and_what_passes_by_itself_does_not() -> None:
    passing = {rule.code for rule in REFUSALS} - LASTING
    assert passing == {"port-taken", "mount-failed", "disk-full"}
    assert "bad-request" in LASTING
