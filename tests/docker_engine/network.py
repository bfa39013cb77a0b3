"""A bridge and addresses of an engine's own, so that engines neither share chains and subnets nor meet docker0.

The engine itself leaves iptables alone: each start of one would flush the chains of all others on the machine.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network

from tests.docker_engine.parts import program

COUNT = 128


@dataclass(frozen=True)
class Network:
    """Number N of the engines on this machine: its bridge, and the addresses of all its networks."""

    number: int

    @property
    def bridge(self) -> str:
        return f"mlserve-e{self.number}"

    @property
    def addresses(self) -> IPv4Network:
        return IPv4Network(f"10.{213 + self.number // 16}.{self.number % 16 * 16}.0/20")

    @property
    def arguments(self) -> list[str]:
        """What dockerd is to be told."""
        pool = f"base={self.addresses},size=24"
        return [f"--bridge={self.bridge}", f"--default-address-pool={pool}", "--iptables=false", "--ip6tables=false"]

    def close(self) -> None:
        """Delete the rules and every bridge with an address of ours; what is not there is left so."""
        for rule in self._rules():
            _run("iptables", "-w", "30", *rule[:2], "-D", *rule[2:])
        for link in json.loads(_run("ip", "-j", "-4", "address").stdout or "[]"):
            if any(IPv4Network(f"{info['local']}/32").subnet_of(self.addresses) for info in link["addr_info"]):
                _run("ip", "link", "delete", link["ifname"])

    def open(self) -> None:
        """Give the bridge, which is there, its address, and let its containers out."""
        _must("ip", "address", "add", f"{self.addresses[1]}/24", "dev", self.bridge)
        _must("ip", "link", "set", self.bridge, "up")
        for rule in self._rules():
            _must("iptables", "-w", "30", *rule[:2], "-I", *rule[2:])

    def _rules(self) -> list[list[str]]:
        ours = str(self.addresses)
        return [
            ["-t", "nat", "POSTROUTING", "-s", ours, "!", "-d", ours, "-j", "MASQUERADE"],
            ["-t", "filter", "FORWARD", "-s", ours, "-j", "ACCEPT"],
            ["-t", "filter", "FORWARD", "-d", ours, "-j", "ACCEPT"],
        ]


def claim() -> Network:
    """The first number whose bridge nobody has and whose addresses lead nowhere; the bridge is the claim.

    Raises PermissionError where the machine allows no bridges.
    """
    routes = json.loads(_must("ip", "-j", "-4", "route", "show").stdout)
    taken = [IPv4Network(route["dst"], strict=False) for route in routes if route["dst"] != "default"]
    for network in map(Network, range(COUNT)):
        if any(network.addresses.overlaps(other) for other in taken):
            continue
        made = _run("ip", "link", "add", network.bridge, "type", "bridge")
        if made.returncode == 0:
            network.open()
            return network
        if "File exists" not in made.stderr:
            raise PermissionError(f"no bridge can be made: {made.stderr.strip()}")
    raise PermissionError(f"all {COUNT} numbers of test engines are taken: see ip link")


def _must(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = _run(name, *arguments)
    if done.returncode:
        raise PermissionError(f"{name} {' '.join(arguments)}: {done.stderr.strip()}")
    return done


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False)
