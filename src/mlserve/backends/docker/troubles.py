"""Why a Docker engine can't be reached, as errors that say what to do next. A table; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlserve.backends.docker.target import Target
from mlserve.errors import ResourceUnavailable


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a failure's text tells: ``what`` happened and what is to be done ``next``."""

    pattern: str
    what: str
    next: str


CONNECTING: Sequence[Trouble] = (
    Trouble(
        r"FileNotFoundError",
        "there is no socket at this address",
        "install and start Docker there, or name its socket with --host",
    ),
    Trouble(
        r"PermissionError",
        "this user may not use the socket {path}",
        "join the group that owns it: sudo usermod -aG {group} $USER, then log in again and restart the hub",
    ),
    Trouble(
        r"certificate has expired",
        "the engine's certificate has expired",
        "make a new one on the engine's machine, signed by the same authority",
    ),
    Trouble(
        r"[Hh]ostname mismatch|IP address mismatch|doesn't match|not valid for",
        "the engine's certificate is for another name than {name}",
        "use the name or IP that is in the certificate as host, or make one with this name",
    ),
    Trouble(
        r"CERTIFICATE_VERIFY_FAILED",
        "the engine's certificate was signed by another authority",
        "give the CA that signed the engine's certificate: --tls-ca FILE",
    ),
    Trouble(
        r"(?i)alert certificate required|bad.?certificate|unknown.?ca|certificate unknown|handshake failure",
        "the engine does not accept this client's certificate",
        "give one that the engine's authority signed: --tls-cert FILE --tls-key FILE",
    ),
    Trouble(
        r"(?i)KEY_VALUES_MISMATCH|key values mismatch|PEM lib|no start line",
        "certificate and key can't be used together",
        "--tls-cert takes the certificate and --tls-key the key it was made with, both PEM",
    ),
    Trouble(
        r"HTTP request to an HTTPS server|malformed HTTP response",
        "the engine wants TLS, and no TLS files were given",
        "--tls-ca FILE --tls-cert FILE --tls-key FILE",
    ),
    Trouble(
        r"(?i)WRONG_VERSION_NUMBER|record layer failure|unknown protocol",
        "the engine does not speak TLS at this port",
        "leave the TLS files out, or use the port that does (usually 2376)",
    ),
    Trouble(
        r"(?i)NameResolutionError|Name or service not known|Temporary failure in name resolution|nodename nor",
        'the name "{name}" is not known',
        "check how it is written, and this machine's DNS",
    ),
    Trouble(
        r"(?i)No route to host|Network is unreachable",
        "no way leads to {name}",
        "check that it is on, and in this network",
    ),
    Trouble(
        r"ConnectionRefusedError|Connection refused",
        "nothing listens at this address",
        "start Docker there; systemctl status docker tells why it ended",
    ),
    Trouble(
        r"(?i)ReadTimeout|ConnectTimeout|TimeoutError|timed out",
        "it gave no answer in time",
        "the engine hangs, or a firewall swallows what is sent: systemctl restart docker mends the first",
    ),
    Trouble(
        r"(?i)RemoteDisconnected|ConnectionResetError|BrokenPipeError|Connection aborted|IncompleteRead|ProtocolError",
        "it ended the connection",
        "is the engine being restarted? journalctl -u docker tells",
    ),
)

SSH: Sequence[Trouble] = (
    Trouble(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed",
        "the host key of {name} is another one than before",
        "if that is right, remove the old one: ssh-keygen -R {name}, then log in once by hand: ssh {destination}",
    ),
    Trouble(
        r"Host key verification failed",
        "the host key of {name} is not known here",
        "log in once by hand and accept it: ssh {destination}",
    ),
    Trouble(
        r"Permission denied|Too many authentication failures|no mutual signature",
        "{name} does not accept this user's key",
        "ssh-copy-id {destination}; a key with a passphrase needs an agent that the hub sees (nobody is asked)",
    ),
    Trouble(
        r"Could not resolve hostname",
        'the name "{name}" is not known',
        "is it written right? an alias has to be in the ssh config of the hub's user",
    ),
    Trouble(
        r"Connection refused",
        "no ssh server listens on {name}",
        "is sshd running there, and is this its port?",
    ),
    Trouble(
        r"(?i)timed out|No route to host|Network is unreachable|not responding",
        "{name} can't be reached",
        "is it on, and does a firewall let ssh through?",
    ),
    Trouble(
        r"(?i)administratively prohibited|forwarding (is )?disabled|remote port forwarding failed",
        "the ssh server there does not forward sockets",
        "set AllowTcpForwarding and AllowStreamLocalForwarding in its sshd_config to yes",
    ),
    Trouble(
        r"connection was cut",
        "the ssh connection to {name} was cut, and is made again",
        "wait; ssh {destination} tells whether it can",
    ),
    Trouble(r"(?i)Bad configuration option|bad owner or permissions", "ssh can't use its config", "ssh {destination}"),
)


def unreachable(error: BaseException | str, target: Target, group: str = "docker") -> ResourceUnavailable:
    """The error for an engine that could not be asked. ``group``: who owns its socket."""
    return _explained(_text(error), CONNECTING, target, group)


def ssh_failed(stderr: str, target: Target) -> ResourceUnavailable:
    """The error for a tunnel that did not come about, from what ssh wrote."""
    return _explained(stderr, SSH, target, "docker")


def no_engine_behind(target: Target, seen: str) -> ResourceUnavailable:
    """The error for an ssh login that works, to a machine whose socket does not. ``seen``: missing, denied, or else."""
    what, hint = {
        "missing": (f"there is no socket {target.path} on it", f"install and start Docker on {target.name}"),
        "denied": (
            f"its user may not use {target.path}",
            f"on {target.name}: sudo usermod -aG docker {target.user or '$USER'}",
        ),
    }.get(seen, ("no engine answers behind its socket", f"on {target.name}: systemctl status docker"))
    return ResourceUnavailable(f"ssh to {target.destination} works, but {what}", hint=hint)


def too_slow(seconds: float, target: Target) -> ResourceUnavailable:
    """The error for a call that had no answer in its time."""
    return ResourceUnavailable(
        f"the Docker engine at {target} gave no answer within {seconds:g} s",
        hint="it is busy, or hangs: systemctl restart docker on its machine mends the latter",
    )


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it: libraries wrap each other's."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]
        waiting += [inner for inner in (*one.args, getattr(one, "reason", None)) if isinstance(inner, BaseException)]


def _explained(text: str, rules: Sequence[Trouble], target: Target, group: str) -> ResourceUnavailable:
    words = {"path": target.path, "group": group, "name": target.name, "target": str(target)}
    words["destination"] = target.destination
    for rule in rules:
        if re.search(rule.pattern, text):
            return ResourceUnavailable(
                f"the Docker engine at {target} can't be reached: {rule.what.format(**words)}",
                hint=rule.next.format(**words),
            )
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason was given")
    return ResourceUnavailable(f"the Docker engine at {target} can't be reached: {last}", hint="")


def _text(error: BaseException | str) -> str:
    if isinstance(error, str):
        return error
    return "\n".join(f"{type(one).__name__}: {one}" for one in chain(error))
