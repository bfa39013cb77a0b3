"""Certificates for an hour."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(number: int) -> tuple[str, str]:
    """A certificate with that number for 127.0.0.1 and gpu-box, and its key, as PEM; it is its own authority."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gpu-box")])
    names = x509.SubjectAlternativeName([x509.DNSName("gpu-box"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem).decode(), key.private_bytes(pem, *form).decode()


def write(folder: Path, number: int) -> tuple[Path, Path]:
    """The same as files, put in place as renewal programs do: each by itself."""
    folder.mkdir(exist_ok=True)
    paths = folder / "cert.pem", folder / "key.pem"
    for path, text in zip(paths, certificate(number), strict=True):
        beside = path.with_suffix(".new")
        beside.write_text(text)
        beside.rename(path)
    return paths
