"""Repositories that a server reads itself: their addresses as it wants them, its keys in a file only it may read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from mlserve.descriptor import Descriptor, read_elsewhere
from mlserve.storage import FetchOptions
from mlserve.storage.s3.handing import handed
from mlserve.workload import Workload

FILE = "triton_credentials.json"
"""The secret's name, which `mlserve.triton` looks for."""


def with_repositories(workload: Workload, descriptor: Descriptor, credentials: Mapping[str, str]) -> Workload:
    """The same, where it has such repositories; raises FetchFailed where no keys are known."""
    addresses = read_elsewhere(descriptor)
    if not addresses:
        return workload
    options = FetchOptions(endpoint=descriptor.oss_endpoint, credentials=credentials)
    found = {uri: handed(uri, options) for uri in addresses.values()}
    words = {f"--model-repository={uri}": f"--model-repository={one.uri}" for uri, one in found.items()}
    keys = next(iter(found.values()))
    told = {
        "key_id": keys.key_id,
        "secret_key": keys.secret_key,
        "region": keys.region,
        "session_token": keys.session_token,
    }
    return replace(
        workload,
        command=tuple(words.get(word, word) for word in workload.command),
        secrets={**workload.secrets, FILE: json.dumps({"s3": {"": {k: v for k, v in told.items() if v}}})},
    )
