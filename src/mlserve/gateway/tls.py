"""TLS of the gateway as Envoy reads it: the certificate is a file of its own (SDS), so another cuts nobody. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

SECRET = "gateway"  # noqa: S105 - a name

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A chain and its private key, as PEM."""

    chain: str
    key: str = field(repr=False)


def transport(source: dict[str, Any]) -> dict[str, Any]:
    """How the listener speaks; ``source`` says where the certificate is."""
    context = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [{"name": SECRET, "sds_config": source}],
    }
    config = {"@type": f"{_TLS}.DownstreamTlsContext", "common_tls_context": context}
    return {"name": "envoy.transport_sockets.tls", "typed_config": config}


def secret_json(certificate: Certificate) -> str:
    """The certificate as the resource of a file."""
    pair = {"certificate_chain": certificate.chain, "private_key": certificate.key}
    texts = {name: {"inline_string": text} for name, text in pair.items()}
    return json.dumps({"@type": f"{_TLS}.Secret", "name": SECRET, "tls_certificate": texts}, separators=(",", ":"))
