"""Ask an engine once more why it broke off a TLS connection.

Who is refused for his certificate is told so after the handshake, and has often written his question by then: the
answer to that may overtake the reason. Without a question it is read in peace.
"""

from __future__ import annotations

import socket
import ssl

from mlserve.backends.docker.target import Target, Tls

SECONDS = 2.0


def refusal(target: Target, files: Tls) -> ssl.SSLError | None:
    """The alert that the engine sends; None where it sends none."""
    context = ssl.create_default_context(cafile=str(files.ca) if files.ca else None)
    if not files.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        if files.cert and files.key:
            context.load_cert_chain(files.cert, files.key)
        with (
            socket.create_connection((target.name, target.port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=target.name) as secure,
        ):
            secure.recv(1)
    except ssl.SSLError as exc:
        return exc
    except OSError:
        return None
    return None
