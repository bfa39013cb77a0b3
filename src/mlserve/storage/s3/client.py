"""A boto3 client for an address: endpoint, addressing style, credentials."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from mlserve.storage.base import FetchOptions
from mlserve.storage.failure import failed
from mlserve.storage.s3.address import Address

WORKERS = 8
"""Transfers at once."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0

_OSS_HOST = re.compile(r"(?:s3\.)?oss-(?P<region>[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com(?::\d+)?$")


def connect(address: Address, options: FetchOptions) -> tuple[Any, str]:
    """The client and the endpoint it speaks to (empty: AWS's own); raises FetchFailed where none is known."""
    from botocore.config import Config

    for name in ("boto3", "botocore", "urllib3", "s3transfer"):  # in detail they log signatures and session tokens
        logging.getLogger(name).setLevel(logging.WARNING)
    given = {**os.environ, **options.credentials}
    endpoint = endpoint_of(address, options, given)
    config = Config(
        connect_timeout=min(options.connect_seconds, CONNECT_SECONDS),
        read_timeout=min(options.stall_seconds, ANSWER_SECONDS),
        retries={"total_max_attempts": 1},  # trying again is ours: see `patience`
        max_pool_connections=2 * WORKERS,
        s3={"addressing_style": "virtual" if not endpoint or "aliyuncs.com" in endpoint else "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session, region = session_of(address, options, given, endpoint)
    return session.client("s3", endpoint_url=endpoint or None, config=config, region_name=region), endpoint


def session_of(address: Address, options: FetchOptions, given: Mapping[str, str], endpoint: str) -> tuple[Any, str]:
    """boto3's session with the keys for an address, and the region."""
    import boto3
    from botocore.session import Session

    inner = Session()
    loader = _loader(inner.get_config_variable("data_path"))
    inner.register_component("data_loader", loader)
    login = _login(given, options.credentials, oss=address.scheme == "oss")
    session = boto3.Session(botocore_session=inner, **login)
    loader.search_paths[:] = dict.fromkeys(loader.search_paths)  # each session of boto3 adds the same one
    return session, _region(endpoint, given) or session.region_name or "us-east-1"


@cache
def _loader(data_path: str | None) -> Any:
    """boto3's descriptions of services, read once: they take most of the time that a client takes."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def endpoint_of(address: Address, options: FetchOptions, given: Mapping[str, str]) -> str:
    """Where the service is, ``scheme://host:port``; empty: AWS's own. Raises FetchFailed where none is known."""
    oss = address.scheme == "oss"
    endpoint = address.endpoint or options.endpoint or (given.get("OSS_ENDPOINT") if oss else None)
    endpoint = endpoint or given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL") or ""
    if oss and not endpoint:
        hint = 'set "oss_endpoint" in the descriptor, or OSS_ENDPOINT'
        raise failed(str(address), "invalid", "no endpoint is known", hint)
    if not endpoint:
        return ""
    if "://" not in endpoint:
        endpoint = f"{'http' if _is_here(endpoint) else 'https'}://{endpoint}"
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise failed(str(address), "invalid", "its endpoint is none", "write https://host, or host:port")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _is_here(endpoint: str) -> bool:
    """A service on this machine rarely has a certificate."""
    host = endpoint.partition("/")[0].rpartition(":")[0] or endpoint
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _region(endpoint: str, given: Mapping[str, str]) -> str:
    found = _OSS_HOST.search(endpoint)
    return found["region"] if found else given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or ""


def _login(given: Mapping[str, str], credentials: Mapping[str, str], *, oss: bool) -> dict[str, Any]:
    """Keys for the session; empty: boto3 looks where it always looks (environment, profile, machine role)."""
    if oss and given.get("OSS_ACCESS_KEY_ID"):
        return {
            "aws_access_key_id": given["OSS_ACCESS_KEY_ID"],
            "aws_secret_access_key": given.get("OSS_ACCESS_KEY_SECRET", ""),
            "aws_session_token": given.get("OSS_SESSION_TOKEN"),
        }
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    keys = {name: credentials[name.upper()] for name in names if name.upper() in credentials}
    return {**keys, "profile_name": credentials["AWS_PROFILE"]} if "AWS_PROFILE" in credentials else keys
