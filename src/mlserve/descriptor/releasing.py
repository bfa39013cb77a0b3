"""What the fields of a release must be together. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from mlserve.descriptor.pointers import detail
from mlserve.descriptor.service import Descriptor
from mlserve.descriptor.shapes import Shape
from mlserve.errors import Detail

ROLLING, BLUE_GREEN, CANARY, RECREATE = "rolling", "blue_green", "canary", "recreate"
STRATEGIES = (ROLLING, BLUE_GREEN, CANARY, RECREATE)


def strategy_of(descriptor: Descriptor) -> str:
    """The strategy that a descriptor names or means."""
    words = descriptor.release
    if words and words.strategy:
        return words.strategy
    if words and words.steps:
        return CANARY
    return ROLLING if descriptor.metadata.rolling_strategy else BLUE_GREEN


def releasing(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    """Mistakes that lie between the fields of a release."""
    words, rolling, strategy = descriptor.release, descriptor.metadata.rolling_strategy, strategy_of(descriptor)

    def told(place: tuple[str, ...], message: str) -> Detail:
        return detail(shaped.written.get(place, "/" + "/".join(place)), "invalid", message)

    if rolling and strategy != ROLLING:
        place = ("metadata", "rolling_strategy")
        yield told(place, f"rolling_strategy is of rolling releases, and this one is {strategy}: keep one of them")
    if rolling and not any(_of_any(share) for share in (rolling.max_surge, rolling.max_unavailable)):
        message = "with neither a surge nor one that may be missing, no instance can ever be replaced"
        yield told(("metadata", "rolling_strategy"), message)
    if words is None:
        return
    if words.steps and strategy != CANARY:
        yield told(("release", "steps"), f"steps are of a canary, and this release is {strategy}: keep one of them")
    for index, (one, after) in enumerate(pairwise(words.steps)):
        if after.weight <= one.weight:
            message = f"each step takes more of the requests than the one before: {after.weight} follows {one.weight}"
            yield told(("release", "steps", str(index + 1), "weight"), message)
    if words.gates and strategy == RECREATE:
        yield told(("release", "gates"), "recreate has never both versions side by side, so nothing can be judged")
    for name in ("sticky", "feedback"):
        if getattr(words, name) and strategy not in (ROLLING, CANARY):
            yield told(("release", name), f"with {strategy} no two versions share the requests by chance")
    if words.gates and words.gates.max_different_percent is not None and not descriptor.retry:
        message = 'answers are compared by asking again, and with "retry": false no request may run twice'
        yield told(("release", "gates", "max_different_percent"), message)
    if words.keep and strategy in (ROLLING, RECREATE):
        yield told(("release", "keep"), f"{strategy} ends the old instances on the way, so there are none to keep")


def _of_any(share: int | str) -> bool:
    return bool(share) if isinstance(share, int) else float(share.rstrip("%")) > 0
