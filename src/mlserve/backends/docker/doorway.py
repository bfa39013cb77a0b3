"""Where an instance is reached: the ports that the engine has published for it, and the way to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlserve.backends.docker import labels, ports
from mlserve.backends.docker.engine import Engine
from mlserve.backends.run import Door


class Doorway:
    """The ways to one instance; each new start of its container has others."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ways: list[int] = []
        self.door: Door | None = None
        self.inside: frozenset[int] = frozenset()
        """The numbers of its ports, as its processes know them."""

    async def find(self, container: Mapping[str, Any]) -> Door | None:
        """Look where an inspected container has its ports now; None where it has none."""
        plan, found = ports.from_text(container["Config"]["Labels"][labels.PORTS]), ports.published(container)
        self.forget()
        self.inside = frozenset(plan.all)
        self._ways = [found[number] for number in plan.all if number in found]
        reached = {number: await self._engine.reach(found[number]) for number in plan.all if number in found}
        if plan.main in reached and plan.health in reached:
            named = {name: reached[number] for name, number in plan.named.items() if number in reached}
            self.door = Door(reached[plan.main], reached[plan.health], named, behind_proxy=True)
        return self.door

    def forget(self) -> None:
        """Nobody comes this way any more."""
        for number in self._ways:
            self._engine.forget(number)
        self._ways, self.door = [], None
