"""The verbs, found by file name, with their one-line help read without importing them."""

from __future__ import annotations

import os

COMMANDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "commands")

ALIASES = {"ls": "list", "desc": "describe", "w": "instances"}
"""Short names that eascmd's users type."""

_USAGE = "Usage: mlserve [OPTIONS] COMMAND [ARGS]..."


def verbs(folder: str = COMMANDS) -> list[str]:
    """The names of a folder's verbs and groups."""
    names = (os.path.splitext(entry)[0] for entry in os.listdir(folder) if not entry.startswith(("_", ".")))
    return sorted(names)


def summary(verb: str, folder: str = COMMANDS) -> str:
    """The first line of a verb's docstring."""
    path = os.path.join(folder, verb)
    path = os.path.join(path, "__init__.py") if os.path.isdir(path) else path + ".py"
    with open(path, encoding="utf-8") as file:
        return file.readline().strip().strip('"').rstrip(".")


def rows(folder: str = COMMANDS) -> list[tuple[str, str]]:
    """Each verb with its summary, short names in brackets."""
    short = {verb: alias for alias, verb in ALIASES.items()} if folder == COMMANDS else {}
    return [(f"{verb} ({short[verb]})" if verb in short else verb, summary(verb, folder)) for verb in verbs(folder)]


def group_help(prog: str, folder: str) -> str:
    """What ``mlserve GROUP --help`` prints."""
    text = summary(os.path.basename(folder), os.path.dirname(folder))
    return f"Usage: {prog} COMMAND [ARGS]...\n\n  {text}.\n\nCommands:\n{_listed(folder)}\n"


def root_help() -> str:
    """What ``mlserve --help`` prints; made here, so that it needs no library."""
    return f"""{_USAGE}

  Turn a trained model and a service.json into a served, supervised, scalable endpoint.

Options:
  --version             Show the version
  --install-completion  Install completion for the current shell
  --show-completion     Show the completion script of the current shell
  --help                Show this; COMMAND --help says more of a command

Commands:
{_listed(COMMANDS)}
"""


def _listed(folder: str) -> str:
    return "\n".join(f"  {name:<16} {text}" for name, text in rows(folder))
