"""However many requests of a load fail, a log of it stays readable."""

from __future__ import annotations

import pytest
from tests.chaos.load import Answer, Failed


def test_thousands_of_failed_requests_are_shown_in_a_few_lines() -> None:
    failed = Failed([Answer(10 + number / 1000, 503, 0.001, "no-instance\n") for number in range(2000)])
    with pytest.raises(AssertionError) as caught:
        assert failed == [], "a reason"
    said = str(caught.value)
    assert "2000 failed requests within 1.999 s" in said
    assert len(said.splitlines()) < 20
    assert (Failed([]), len(failed), {one.status for one in failed}) == ([], 2000, {503})
