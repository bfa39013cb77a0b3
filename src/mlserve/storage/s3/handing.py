"""Hand an address over to a program that reads it itself: with its endpoint inside, and the keys beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from mlserve.storage.base import FetchOptions
from mlserve.storage.failure import failed
from mlserve.storage.s3.address import KEYS, parse
from mlserve.storage.s3.client import endpoint_of, session_of


@dataclass(frozen=True, slots=True)
class Handed:
    """What such a program needs."""

    uri: str
    """``s3://https://host:port/bucket/key``; without a host where it is AWS's own."""
    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    region: str = ""


def handed(uri: str, options: FetchOptions) -> Handed:
    """The address and keys as we would use them; raises FetchFailed where there are none."""
    address = parse(uri)
    given = {**os.environ, **options.credentials}
    endpoint = endpoint_of(address, options, given)
    session, region = session_of(address, options, given, endpoint)
    found = session.get_credentials()
    if found is None:
        raise failed(uri, "no-credentials", "no credentials were found", KEYS)
    keys = found.get_frozen_credentials()
    where = str(replace(address, endpoint=endpoint, scheme="s3"))
    return Handed(where, keys.access_key, keys.secret_key, keys.token or "", region)
