"""How long the gateway waits before it starts a dead Envoy again."""

from __future__ import annotations

from mlserve.gateway.envoy import back_off


def test_after_the_first_death_envoy_is_started_at_once() -> None:
    assert [back_off(deaths) for deaths in (0, 1)] == [0.0, 0.0]


def test_one_that_keeps_dying_is_started_less_and_less_often_but_always_again() -> None:
    assert [back_off(deaths) for deaths in range(2, 10)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
