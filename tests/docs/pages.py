"""Read the README as its tests need it: sections, fenced blocks, generated parts."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"


def section(title: str) -> str:
    """The text below a second-level heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"README has no section {title!r}"
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def lines(text: str) -> list[str]:
    """The command lines of all bash blocks."""
    return [line for block in blocks(text, "bash") for line in block.splitlines() if line.strip()]


def between(start: str, end: str) -> str:
    """What stands between two markers of the README."""
    found = re.search(
        rf"^<!-- {re.escape(start)} -->\n(.*?)^<!-- {re.escape(end)} -->$", README.read_text(), re.M | re.S
    )
    assert found, f"README has no part between {start!r} and {end!r}"
    return found[1]
