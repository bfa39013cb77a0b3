"""What people do to releases, and going back: refused before anything changes, or written and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.test_hub_verbs import DESCRIPTOR, Desk, desk

from mlserve.errors import Conflict, InvalidInput, MlserveError, NotFound
from mlserve.hub import failures
from mlserve.hub.acceptance import Submission
from mlserve.hub.records import Prepared
from mlserve.hub.releases.records import Phase

Story = Callable[[Desk], Awaitable[None]]


def tell(home: Path, story: Story) -> None:
    async def told() -> None:
        async with desk(home) as made:
            await made.create()
            serve(made, 1)
            await story(made)

    asyncio.run(told())


def serve(made: Desk, number: int) -> None:
    """As if the version had started and taken over."""
    version = made.wishes.version("iris", number)
    made.wishes.put_version(replace(version, prepared=Prepared("python"), served=True))
    service = made.wishes.service("iris")
    release = replace(service.release, phase=Phase.DONE) if service.release else None
    made.wishes.put(replace(service, serving=number, target=number, release=release))


async def update(made: Desk, value: int, strategy: str = "") -> None:
    labels = {"labels": {"value": str(value)}}
    await made.hub.update("iris", Submission({**DESCRIPTOR, **labels}, {}), strategy=strategy)


def test_an_update_begins_a_release_and_a_second_one_is_refused(tmp_path: Path) -> None:
    async def story(made: Desk) -> None:
        await update(made, 2, "canary")
        release = made.wishes.service("iris").release
        assert release
        assert (release.strategy, release.old, release.new) == ("canary", 1, 2)
        for second in (update(made, 3), made.hub.scale("iris", 2), made.hub.rollback("iris"), made.hub.restart("iris")):
            with pytest.raises(Conflict, match="to version 2 is under way"):
                await second
        with pytest.raises(InvalidInput, match="canari"):
            await update(made, 3, "canari")

    tell(tmp_path, story)


def test_verbs_of_a_release_want_one_that_is_under_way(tmp_path: Path) -> None:
    async def story(made: Desk) -> None:
        for verb in ("promote", "pause", "resume", "abort"):
            with pytest.raises(Conflict, match="no release"):
                made.hub.release("iris", verb)
        await update(made, 2)
        assert made.hub.release("iris", "pause")["release"]["state"] == "paused"
        assert made.hub.release("iris", "resume")["release"]["state"] == "filling"
        made.hub.release("iris", "abort")
        failure = made.wishes.version("iris", 2).failure
        assert failure
        assert failure["reason"] == "it was aborted"

    tell(tmp_path, story)


def test_going_back_makes_no_new_version(tmp_path: Path) -> None:
    async def story(made: Desk) -> None:
        await update(made, 2)
        serve(made, 2)
        told = await made.hub.rollback("iris")
        service = made.wishes.service("iris")
        assert (service.target, service.latest, told["release"]["strategy"]) == (1, 2, "blue_green")
        assert service.release
        assert (service.release.old, service.release.new, service.release.gates) == (2, 1, None)

    tell(tmp_path, story)


def test_going_back_is_refused_where_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    async def story(made: Desk) -> None:
        before = made.wishes.service("iris")
        cases: list[tuple[int | None, type[MlserveError], str]] = [
            (None, NotFound, "no version to go back to"),
            (1, Conflict, "serves already"),
            (7, NotFound, "no version 7"),
        ]
        for number, error, said in cases:
            with pytest.raises(error, match=said):
                await made.hub.rollback("iris", number)
        assert made.wishes.service("iris") == before
        await update(made, 2)
        serve(made, 2)
        gone = {"/model_path": str(tmp_path / "gone.onnx")}
        made.wishes.put_version(replace(made.wishes.version("iris", 1), prepared=Prepared("python", paths=gone)))
        before = made.wishes.service("iris")
        with pytest.raises(NotFound, match=r"gone\.onnx is gone"):
            await made.hub.rollback("iris")
        assert made.wishes.service("iris") == before

    tell(tmp_path, story)


def test_going_back_is_refused_to_a_version_that_its_gates_refused(tmp_path: Path) -> None:
    async def story(made: Desk) -> None:
        await update(made, 2)
        serve(made, 2)
        await update(made, 3)
        serve(made, 2)
        failure = failures.of_release("iris", 3, "its answers differ", at=0.0)
        made.wishes.put_version(replace(made.wishes.version("iris", 3), served=True, failure=failure))
        before = made.wishes.service("iris")
        with pytest.raises(Conflict, match="given up by its release: its answers differ") as refused:
            await made.hub.rollback("iris", 3)
        assert refused.value.hint.endswith("those that served: 1")
        assert made.wishes.service("iris") == before
        # One that somebody aborted was not found bad: whoever names it means it.
        aborted = failures.of_release("iris", 3, "it was aborted", judged=False, at=0.0)
        made.wishes.put_version(replace(made.wishes.version("iris", 3), failure=aborted))
        await made.hub.rollback("iris", 3)
        assert made.wishes.service("iris").target == 3

    tell(tmp_path, story)
