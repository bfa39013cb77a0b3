"""The certificate that hub and gateway show: read from the user's files, and anew once others are there and fit.

Programs that renew certificates replace two files one after the other: what does not fit together yet is not shown.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from mlserve.errors import GatewayFailed, HubStartFailed
from mlserve.gateway.tls import Certificate

log = logging.getLogger("mlserve.hub")

_LOOK_SECONDS = 1.0


class Certificates:
    """One pair of files. Raises HubStartFailed where they can't be used."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._paths = chain, key
        self._seen = self._marks()
        self.current = self._read()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """What the hub's own server speaks with; another certificate comes into it."""
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        _load(self.context, self.current)

    def name(self) -> str:
        """A host that the certificate is for; "" where it says none."""
        found = _names(self.current)
        return next((name for name in found if "*" not in name), "")

    async def watch(self, show: Callable[[Certificate], Awaitable[None]]) -> None:
        """Until cancelled: bring each other certificate that fits to the hub's server and to ``show``."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            marks = self._marks()
            if marks == self._seen:
                continue
            try:
                found = self._read()
                await show(found)
                _load(self.context, found)
            except (HubStartFailed, GatewayFailed, OSError) as exc:
                log.warning("event=certificate-waits reason=%r", str(exc))
                continue
            self._seen, self.current = marks, found
            log.info("event=certificate-shown chain=%s", self._paths[0])

    def _marks(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_mark(path) for path in self._paths)

    def _read(self) -> Certificate:
        chain, key = self._paths
        try:
            found = Certificate(chain.read_text(), key.read_text())
            _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), found)
        except (OSError, ValueError) as exc:  # ssl's errors are errors of the system, too
            reason = exc.strerror if isinstance(exc, OSError) and exc.filename else exc
            raise HubStartFailed(
                f"the certificate {chain} with the key {key} can't be used: {reason}",
                hint="both are PEM files, the key without a password and of this very certificate",
            ) from exc
        return found


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Python reads certificates from files alone; this one exists for that moment, and for this user alone."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate.key.rstrip()}\n{certificate.chain}")
        file.flush()
        context.load_cert_chain(file.name, password=lambda: b"")


def _names(certificate: Certificate) -> list[str]:
    from cryptography import x509

    found = x509.load_pem_x509_certificates(certificate.chain.encode())[0].extensions
    try:
        names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def _mark(path: Path) -> tuple[int, int, int]:
    """Changes with the file's content, also where a link leads elsewhere."""
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_mtime_ns, found.st_size
