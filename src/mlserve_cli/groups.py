"""A service group for a person to read."""

from __future__ import annotations

from mlserve.client.groups import Group
from mlserve_cli.render import properties

_MODES = {"auto": "by the number of ready instances", "set": "as it was set"}


def shown(group: Group) -> str:
    """Address, token, and who gets how much."""
    facts = {
        "group": group.name,
        "endpoint": group.endpoint,
        "token": group.token,
        "shared": _MODES[group.mode],
        "sticky": group.sticky,
    }
    return f"{properties(facts)}\n\n{group!r}"
