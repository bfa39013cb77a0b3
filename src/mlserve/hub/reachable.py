"""Whether what a descriptor names can be fetched: asked within seconds, before anything is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from mlserve import storage
from mlserve.descriptor import Descriptor, paths_of, read_elsewhere
from mlserve.descriptor.mounting import sources_of
from mlserve.errors import FetchFailed
from mlserve.hub.aside import aside


async def require_reachable(
    descriptor: Descriptor,
    sent: Mapping[str, Mapping[str, str]],
    content: storage.ContentStore,
    credentials: Mapping[str, str],
) -> None:
    """Raise FetchFailed, naming the field, for an address that leads nowhere; ``sent``: files that came along."""
    asked = storage.FetchOptions(credentials=credentials, uploads=content)
    for pointer, uri, endpoint, may_be_empty in _addresses(descriptor):
        if pointer in sent:
            continue
        try:
            await aside(partial(storage.check, uri, replace(asked, endpoint=endpoint)))
        except FetchFailed as exc:
            if may_be_empty and exc.details[0]["code"] == "missing":
                continue
            exc.details = [{**detail, "pointer": pointer} for detail in exc.details]
            raise


def _addresses(descriptor: Descriptor) -> Iterator[tuple[str, str, str | None, bool]]:
    for pointer, uri in (paths_of(descriptor) | read_elsewhere(descriptor)).items():
        if "://" in uri:
            yield pointer, uri, descriptor.oss_endpoint, False
    for pointer, source in sources_of(descriptor).items():
        yield pointer, source.uri, source.endpoint, source.may_be_empty
