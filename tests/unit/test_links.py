"""Links for browsers: a code opens one service, once, for a while, and not what has changed its token since."""

from __future__ import annotations

import json

import pytest
from tests.contract.memory_store import MemoryStore

from mlserve.errors import Denied, NotFound
from mlserve.gateway.cookie import LOGIN_PATH, set_cookie
from mlserve.hub.groups.records import Group
from mlserve.hub.limits import Limits
from mlserve.hub.links import SECONDS, Links, places
from mlserve.hub.records import Service, Version
from mlserve.hub.wishes import Wishes

NOW = 1000.0


class Desk:
    def __init__(self, *, docs: bool = False) -> None:
        self.store = MemoryStore()
        self.wishes = Wishes(self.store)
        self.docs = docs
        self.links = self.again()

    def again(self) -> Links:
        """The links of a hub that was started again."""
        return Links(self.store, places(self.wishes, lambda *_: Limits(open_docs=self.docs, group="shop")))

    def have(self, name: str, token: str) -> None:
        service = Service(name, token, public=not token, resource="local", created_at=0, updated_at=0)
        if self.wishes.find(name):
            self.wishes.delete(name)
        self.wishes.create(service, Version(name, 1, 0, {"name": name}))

    def code(self, name: str, now: float = NOW) -> str:
        return self.links.make(name, now).path.removeprefix(LOGIN_PATH)


def test_a_code_opens_its_service_once() -> None:
    desk = Desk()
    desk.have("iris", "t")
    link = desk.links.make("iris", NOW)
    assert link.until == NOW + SECONDS
    code = link.path.removeprefix(LOGIN_PATH)
    opened = desk.links.open(code, NOW + 1)
    assert (opened.path, opened.cookie) == ("/api/predict/iris/", set_cookie("iris", "t", "/api/predict"))
    with pytest.raises(Denied):
        desk.links.open(code, NOW + 1)


def test_codes_are_not_kept_as_they_are_and_outlive_a_restart() -> None:
    desk = Desk()
    desk.have("iris", "s3cret")
    code = desk.code("iris")
    kept = json.dumps([(record.key, dict(record.data)) for record in desk.store.list("link")])
    assert code not in kept
    assert "s3cret" not in kept
    assert set_cookie("iris", "s3cret", "").partition("=")[2][:64] not in kept
    assert desk.again().open(code, NOW).path == "/api/predict/iris/"


@pytest.mark.parametrize("change", ["late", "token", "deleted", "public", "guessed"])
def test_a_code_that_opens_nothing_says_no_reason(change: str) -> None:
    desk = Desk()
    desk.have("iris", "t")
    code = desk.code("iris")
    if change in ("token", "public"):
        desk.have("iris", "other" if change == "token" else "")
    if change == "deleted":
        desk.wishes.delete("iris")
    with pytest.raises(Denied) as denied:
        desk.links.open("x" if change == "guessed" else code, NOW + (SECONDS + 1 if change == "late" else 0))
    assert denied.value.message == "this link was opened before, or is too old"


def test_a_public_service_needs_no_code_and_a_model_opens_at_its_page() -> None:
    desk = Desk(docs=True)
    desk.have("iris", "")
    assert desk.links.make("iris", NOW).path == "/api/predict/iris/docs"
    assert desk.links.make("iris", NOW).until is None
    assert desk.store.list("link") == []
    with pytest.raises(NotFound):
        desk.links.make("wine", NOW)


def test_whoever_asks_in_a_loop_fills_nothing() -> None:
    desk = Desk()
    desk.have("iris", "t")
    desk.have("wine", "t")
    others = desk.code("wine")
    first, *_, newest = [desk.code("iris", NOW + number) for number in range(70)]
    assert len(desk.store.list("link")) == 51
    with pytest.raises(Denied):
        desk.links.open(first, NOW)
    assert desk.links.open(newest, NOW).path == "/api/predict/iris/"
    assert desk.links.open(others, NOW).path == "/api/predict/wine/"
    desk.code("iris", NOW + 2 * SECONDS)
    assert len(desk.store.list("link")) == 1, "what is too old goes"


def test_a_groups_address_is_opened_with_its_own_token() -> None:
    desk = Desk()
    desk.have("iris", "t")
    with pytest.raises(NotFound):
        desk.links.make("shop", NOW)
    desk.wishes.put_group(Group("shop", "together", 0.0))
    opened = desk.links.open(desk.code("shop"), NOW + 1)
    assert (opened.path, opened.cookie) == ("/api/predict/shop/", set_cookie("shop", "together", "/api/predict"))
    desk.wishes.put_group(Group("alone", "together", 0.0))
    with pytest.raises(NotFound):
        desk.links.make("alone", NOW)
