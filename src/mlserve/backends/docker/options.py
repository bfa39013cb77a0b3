"""The options of a resource group of this kind. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from mlserve.errors import InvalidInput

OPTIONS = ("host", "tls_ca", "tls_cert", "tls_key", "address", "gateway", "base_image", "triton_image", "hub")


def checked(options: Mapping[str, Any]) -> dict[str, str]:
    """The same as text; raises InvalidInput for one that is not known."""
    for name, value in options.items():
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, 1)
            raise InvalidInput(
                f'a docker group has no option "{name}"' + (f' (did you mean "{near[0]}"?)' if near else ""),
                hint=f"the options are {', '.join(OPTIONS)}",
            )
        if not isinstance(value, str):
            raise InvalidInput(f'the option "{name}" is text, not {value!r}', hint=f"--option {name}=…")
    if (gateway := options.get("gateway")) and not gateway.startswith(("http://", "https://")):
        raise InvalidInput(
            f'the option "gateway" is an address by which containers reach the gateway, not {gateway}',
            hint="--option gateway=http://HOST:PORT",
        )
    return {name: value for name, value in options.items() if value}
