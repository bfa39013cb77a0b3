"""Whether what a descriptor names can be fetched: asked within seconds, before anything is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from mlserve import storage
from mlserve.backends.aside import aside
from mlserve.descriptor import Descriptor, paths_of, read_elsewhere
from mlserve.descriptor.mounting import sources_of
from mlserve.errors import FetchFailed


async def require_reachable(
    descriptor: Descriptor,
    sent: Mapping[str, Mapping[str, str]],
    content: storage.ContentStore,
    credentials: Mapping[str, str],
) -> None:
    """Raise FetchFailed, naming the field, for an address that leads nowhere; ``sent``: files that came along."""
    asked = storage.FetchOptions(credentials=credentials, uploads=content)
    for one in _addresses(descriptor):
        if one.pointer in sent:
            continue
        try:
            await aside(partial(storage.check, one.uri, replace(asked, endpoint=one.endpoint)))
        except FetchFailed as exc:
            if one.may_be_empty and exc.details[0]["code"] == "missing":
                continue
            exc.details = [{**detail, "pointer": one.pointer} for detail in exc.details]
            raise


async def marks(descriptor: Descriptor, sent: Container[str], asked: storage.FetchOptions) -> dict[str, str]:
    """Pointer → a word that changes with the files at its address; without those that can't be asked just now.

    What the program itself writes to, or reads by itself whenever it changes, says nothing of the version.
    """
    asked = replace(asked, connect_seconds=5.0, stall_seconds=10.0, tries=1)  # somebody waits for it
    wanted = [one for one in _addresses(descriptor) if one.fixed and one.pointer not in sent]
    found = await asyncio.gather(*(_mark(one, asked) for one in wanted))
    return {one.pointer: word for one, word in zip(wanted, found, strict=True) if word}


async def _mark(one: _Address, asked: storage.FetchOptions) -> str:
    try:
        return await aside(partial(storage.mark, one.uri, replace(asked, endpoint=one.endpoint)))
    except FetchFailed:
        return ""  # whoever fetches it says why


@dataclass(frozen=True, slots=True)
class _Address:
    """A field that names files elsewhere. ``fixed``: what it names is part of the version."""

    pointer: str
    uri: str
    endpoint: str | None
    may_be_empty: bool = False
    fixed: bool = True


def _addresses(descriptor: Descriptor) -> Iterator[_Address]:
    for pointer, uri in paths_of(descriptor).items():
        if "://" in uri:
            yield _Address(pointer, uri, descriptor.oss_endpoint)
    for pointer, uri in read_elsewhere(descriptor).items():
        if "://" in uri:
            yield _Address(pointer, uri, descriptor.oss_endpoint, fixed=False)
    for pointer, source in sources_of(descriptor).items():
        empty = source.may_be_empty
        yield _Address(pointer, source.uri, source.endpoint, may_be_empty=empty, fixed=not empty)
