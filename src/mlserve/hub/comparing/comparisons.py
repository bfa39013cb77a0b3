"""Ask two versions, or a service and its mirror, the same, compare what they answer, and keep what came of it.

Why so, and not by samples that instances keep: one mechanism for every program. The gateway copies a few requests to
the hub (`recorder`), which asks an instance of either side itself. Nobody who sends requests waits for any of it, both
sides answer the very same bytes at the same time, whatever their share of requests is, the gateway's figures stay those
of callers alone, and a program that knows nothing of mlserve is compared like our own runtime. The price is that a
sample of the requests runs again: at most twenty a second, only questions, and none of a service with ``retry: false``.
What came of it is kept in memory: after a hub's end the next one begins to count anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from mlserve.backends.aside import aside
from mlserve.hub.comparing.answers import Answer, Rules, compared
from mlserve.hub.comparing.pairs import MIRROR, RELEASE, Pair, Side, mirror_of, pairs, release_of
from mlserve.hub.comparing.replay import Copy, asked
from mlserve.hub.comparing.report import Report, comparable, with_pair
from mlserve.hub.limits import LimitsOf
from mlserve.hub.records import Service
from mlserve.hub.seen import Seen

RulesOf = Callable[[str, int], Rules]
"""What the descriptor of a service's version says of comparing its answers."""


class Comparisons:
    """The newest report of each service's release, and of its mirror."""

    def __init__(self, limits: LimitsOf, rules: RulesOf) -> None:
        self._limits, self._rules = limits, rules
        self._sights: Mapping[str, Seen] = {}
        self._reports: dict[tuple[str, str], tuple[str, Report]] = {}
        self._one_at_a_time = asyncio.Lock()
        """Answers may be large: comparing several of them at once would leave the rest of the hub little time."""

    def follow(self, sights: Sequence[Seen]) -> None:
        """What there is now; of services that are gone nothing is kept."""
        self._sights = {seen.service.name: seen for seen in sights}
        self._reports = {key: kept for key, kept in self._reports.items() if key[0] in self._sights}

    def of_release(self, service: Service) -> Report | None:
        """Of the service's newest release; None where nothing was compared."""
        release = service.release
        return self._report(service.name, RELEASE, release_of(release)) if release else None

    def of_mirror(self, service: Service) -> Report | None:
        """Of its mirror; None where nothing was compared."""
        return self._report(service.name, MIRROR, mirror_of(service))

    async def take(self, wished: Sequence[str], copy: Copy) -> None:
        """Ask again what was asked, for each ``SERVICE/WHAT`` that there still is to compare."""
        if copy.repeatable:
            found = [(name, one) for name in _names(wished) & set(self._sights) for one in self._pairs(name)]
            found = [(name, one) for name, one in found if one.at in wished]
            await asyncio.gather(*(self._compare(name, one, copy) for name, one in found))

    async def _compare(self, name: str, both: Pair, copy: Copy) -> None:
        old, new = await asyncio.gather(_ask(both.old, copy, name), _ask(both.new, copy, name))
        # A mirror is judged by the words of the service that is mirrored, a new version by its own.
        judge = both.new if both.what == RELEASE else both.old
        rules = self._rules(judge.service, judge.version)
        before = self._report(name, both.what, both.which) or Report()
        if old is None or new is None or not comparable(old, new):
            self._keep(name, both, replace(before, unanswered=before.unanswered + 1))
            return
        async with self._one_at_a_time:
            found = await aside(partial(compared, old, new, rules))
        before = self._report(name, both.what, both.which) or Report()  # others came meanwhile
        self._keep(name, both, with_pair(before, copy.id, found, rules))

    def _pairs(self, name: str) -> Sequence[Pair]:
        return pairs(self._sights[name], self._sights, self._limits)

    def _report(self, name: str, what: str, which: str) -> Report | None:
        known = self._reports.get((name, what))
        return known[1] if known and known[0] == which else None

    def _keep(self, name: str, both: Pair, report: Report) -> None:
        if name in self._sights:
            self._reports[name, both.what] = both.which, report


def _names(wished: Sequence[str]) -> set[str]:
    return {one.partition("/")[0] for one in wished}


async def _ask(side: Side, copy: Copy, owner: str) -> Answer | None:
    address = random.choice(side.addresses)  # noqa: S311 - any will do
    return await aside(partial(asked, address, copy, owner))
