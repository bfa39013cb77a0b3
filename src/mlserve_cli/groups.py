"""A service group for a person to read."""

from __future__ import annotations

from mlserve.client.groups import Group
from mlserve_cli.render import properties
from mlserve_cli.show import fallen_back

_MODES = {"auto": "by the number of ready instances", "set": "as it was set"}


def shown(group: Group, link: str = "") -> str:
    """Address, token, and who gets how much; ``link``: where a browser opens it."""
    facts = {
        "group": group.name,
        "endpoint": group.endpoint,
        "token": group.token,
        "link": f"{link} (opens it in a browser, once, within ten minutes)" if link else None,
        "shared": _MODES[group.mode],
        "sticky": group.sticky,
        "fallback": fallen_back(group.fallback),
    }
    return f"{properties(facts)}\n\n{group!r}"
