"""Whom copies of a service's requests go to: what is kept, what is refused, what the gateway is told."""

from __future__ import annotations

import pytest
from tests.contract.memory_store import MemoryStore

from mlserve.backends.base import Instance, State
from mlserve.errors import InvalidInput, MlserveError, NotFound
from mlserve.gateway.table import Mirror as Heard
from mlserve.gateway.table import Target
from mlserve.hub.limits import Limits
from mlserve.hub.mirror import mirror, shown
from mlserve.hub.plan import Seen
from mlserve.hub.records import Mirror, Service, Version
from mlserve.hub.routing import table
from mlserve.hub.wishes import Wishes


def wishes(store: MemoryStore) -> Wishes:
    made = Wishes(store)
    for name in ("shop", "next"):
        service = Service(name, "t", public=False, resource="local", created_at=0, updated_at=0, serving=1)
        made.create(service, Version(name, 1, 0.0, {}))
    return made


def seen(service: Service, *, ready: bool = True) -> Seen:
    instance = Instance(f"{service.name}-1", service.name, 1, State.READY, address="127.0.0.1:1")
    return Seen(service, {1: Version(service.name, 1, 0.0, {})}, [instance] if ready else [])


def test_a_mirror_is_kept_and_ended() -> None:
    store = MemoryStore()
    made = wishes(store)
    mirror(made, "shop", Mirror("next", 25))
    assert Wishes(store).service("shop").mirror == Mirror("next", 25)
    assert shown(made.service("shop")) == {"to": "next", "percent": 25, "sent": None, "failed": None, "answers": None}
    mirror(made, "shop", None)
    assert Wishes(store).service("shop").mirror is None


@pytest.mark.parametrize(
    ("name", "wished", "error"),
    [
        ("shop", Mirror("nobody", 25), NotFound),
        ("nobody", Mirror("next", 25), NotFound),
        ("shop", Mirror("shop", 25), InvalidInput),
        ("shop", Mirror("next", 0), InvalidInput),
        ("shop", Mirror("next", 101), InvalidInput),
    ],
)
def test_a_mirror_that_makes_no_sense_is_refused(name: str, wished: Mirror, error: type[MlserveError]) -> None:
    made = wishes(MemoryStore())
    with pytest.raises(error):
        mirror(made, name, wished)
    assert made.service("shop").mirror is None


def test_the_gateway_is_told_of_a_mirror_that_could_hear_something() -> None:
    made = wishes(MemoryStore())
    mirror(made, "shop", Mirror("next", 25))
    for ready, heard in ((True, Heard(Target("next", 1, 100), 25)), (False, None)):
        sights = [seen(made.service("next"), ready=ready), seen(made.service("shop"))]
        routes = {route.service: route for route in table(sights, lambda _, __: Limits(), "s").routes}
        assert (routes["shop"].mirror, routes["next"].mirror) == (heard, None)
