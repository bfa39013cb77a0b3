"""Completion for bash, zsh and fish: the shell asks this program what could stand at the cursor."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlserve.errors import InvalidInput, MlserveError
from mlserve_cli.tree import Verbs, find

VARIABLE = "_MLSERVE_COMPLETE"
"""The shell's script sets it to the place of the cursor's word in the arguments."""

_SCRIPTS = {
    "bash": """_mlserve() {
  local IFS=$'\\n'
  COMPREPLY=($(_MLSERVE_COMPLETE=$((COMP_CWORD - 1)) mlserve "${COMP_WORDS[@]:1}" 2>/dev/null))
}
complete -o default -F _mlserve mlserve
""",
    "zsh": """#compdef mlserve
_mlserve() {
  local -a found
  found=(${(f)"$(_MLSERVE_COMPLETE=$((CURRENT - 2)) mlserve "${(@)words[2,-1]}" 2>/dev/null)"})
  (( $#found )) && compadd -- $found || _files
}
compdef _mlserve mlserve
""",
    "fish": """function __mlserve_complete
  set -l words (commandline -opc)
  env _MLSERVE_COMPLETE=(math (count $words) - 1) mlserve $words[2..] (commandline -ct) 2>/dev/null
end
complete -c mlserve -a '(__mlserve_complete)'
""",
}
_PLACES = {
    "bash": "~/.local/share/bash-completion/completions/mlserve",
    "zsh": "~/.zfunc/_mlserve",
    "fish": "~/.config/fish/completions/mlserve.fish",
}
_NOTES = {"zsh": "put `fpath+=~/.zfunc; autoload -Uz compinit; compinit` into ~/.zshrc"}


def complete(arguments: Sequence[str]) -> int:
    """Print what could stand at the cursor, one a line."""
    place = os.environ.get(VARIABLE, "")
    at = int(place) if place.isdecimal() else len(arguments) - 1
    word = arguments[at] if at < len(arguments) else ""
    sys.stdout.write("".join(f"{found}\n" for found in _candidates(arguments[:at], word) if found.startswith(word)))
    return 0


def script(arguments: Sequence[str]) -> int:
    """``--show-completion [SHELL]`` and ``--install-completion [SHELL]``."""
    shell = arguments[1] if len(arguments) > 1 else os.path.basename(os.environ.get("SHELL", "bash"))
    if shell not in _SCRIPTS:
        raise InvalidInput(f'no completion for the shell "{shell}"', hint=f"choose one of {', '.join(_SCRIPTS)}")
    if arguments[0] == "--show-completion":
        sys.stdout.write(_SCRIPTS[shell])
        return 0
    path = Path(_PLACES[shell]).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_SCRIPTS[shell])
    sys.stdout.write(f"{path} is written; {_NOTES.get(shell, 'it counts in new shells')}\n")
    return 0


def _candidates(before: Sequence[str], word: str) -> Iterator[str]:
    try:
        command, rest = find(before)
    except InvalidInput:
        return
    if isinstance(command, Verbs):
        yield from command.list_commands(None)
        return
    context = command.make_context("mlserve", list(rest), resilient_parsing=True)
    asked = _open_option(command, rest) or (None if word.startswith("-") else _next_argument(context))
    if asked:
        # what isn't plain is a file, and those the shell completes itself
        yield from (item.value for item in asked.shell_complete(context, word) if item.type == "plain")
    elif word.startswith("-"):
        yield from (flag for parameter in command.params for flag in parameter.opts if flag.startswith("-"))


def _open_option(command: Any, rest: Sequence[str]) -> Any:
    """The option whose value stands at the cursor."""
    options = (parameter for parameter in command.params if not getattr(parameter, "is_flag", True))
    return next((option for option in options if rest and rest[-1] in option.opts), None)


def _next_argument(context: Any) -> Any:
    arguments = (parameter for parameter in context.command.params if parameter.param_type_name == "argument")
    return next((argument for argument in arguments if context.params.get(argument.name) is None), None)


def service_names(beginning: str) -> list[str]:
    """The services of the hub that runs; none where none does."""
    # Somebody is typing: this must not start a hub, and has nothing to say about errors.
    from mlserve.client import Client
    from mlserve.context import find
    from mlserve.management import Management

    try:
        services = Client(Management(lambda: find(start=False))).services.list()
    except MlserveError:
        return []
    return [service.name for service in services if service.name.startswith(beginning)]
