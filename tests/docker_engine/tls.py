"""Keys and certificates for an engine that is reached by TCP, where both sides show who they are."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost"


@dataclass(frozen=True)
class TlsFiles:
    """The client's files lie in ``folder`` under the names that docker's own client expects."""

    folder: Path
    port: int

    @property
    def host(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def cert(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    @property
    def arguments(self) -> list[str]:
        """What dockerd is to be told."""
        server = self.folder / "server"
        files = [f"--tlscacert={self.ca}", f"--tlscert={server / 'cert.pem'}", f"--tlskey={server / 'key.pem'}"]
        return [f"--host={self.host}", "--tlsverify", *files]


def make_tls(folder: Path, port: int) -> TlsFiles:
    """An authority, and a server's and a client's certificate by it, for one day."""
    files = TlsFiles(folder, port)
    folder.mkdir()
    _openssl("req", "-x509", "-subj", "/CN=authority", *_new_key(folder / "ca-key.pem"), "-out", str(files.ca))
    _sign(folder, folder, "client", "extendedKeyUsage=clientAuth")
    _sign(folder, folder / "server", "localhost", f"extendedKeyUsage=serverAuth\n{NAMES}")
    return files


def _sign(authority: Path, folder: Path, name: str, extensions: str) -> None:
    folder.mkdir(exist_ok=True)
    wish, extra = folder / "wish.csr", folder / "extensions"
    extra.write_text(extensions)
    _openssl("req", "-subj", f"/CN={name}", *_new_key(folder / "key.pem"), "-out", str(wish))
    _openssl(
        "x509", "-req", "-in", str(wish), "-days", "1", "-extfile", str(extra), "-out", str(folder / "cert.pem"),
        "-CA", str(authority / "ca.pem"), "-CAkey", str(authority / "ca-key.pem"), "-CAcreateserial",
    )  # fmt: skip


def _new_key(path: Path) -> list[str]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", str(path)]


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
