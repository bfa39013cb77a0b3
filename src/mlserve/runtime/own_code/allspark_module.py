"""What `import allspark` gives a processor of EAS here: the base class, and a server that is already running."""

from __future__ import annotations

from typing import Any

from mlserve.runtime.report import log
from mlserve.runtime.spec import get_model_path as _model_path


class _Path(str):
    """A path as text; EAS's own is bytes, which its samples decode."""

    __slots__ = ()

    def decode(self, *_: Any) -> str:
        return str(self)


class Properties:
    """The engine's properties. Limits are those of the descriptor (``rpc.*``); what is put here is only said."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def put(self, name: str, value: Any) -> None:
        self._values[name] = str(value)
        log("allspark", property=name, value=value, applied="no: set it as metadata." + str(name))

    def get(self, name: str, default: str = "") -> str:
        return self._values.get(name, default)


_PROPERTIES = Properties()


def default_properties() -> Properties:
    return _PROPERTIES


def get_model_path() -> str:
    """Where the service's model lies."""
    return _Path(_model_path())


class BaseProcessor:
    """Takes every argument of EAS's; how many threads there are, and where it listens, the descriptor says."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.arguments, self.options = arguments, options

    def initialize(self) -> None:
        """Load the model: once, before the first request."""

    def pre_proccess(self, data: Any) -> Any:
        return data

    def post_process(self, data: Any) -> Any:
        return data

    def process(self, data: bytes) -> tuple[Any, int]:
        raise NotImplementedError(f"{type(self).__name__}.process(data) is not written yet")

    def get_model_path(self) -> str:
        return get_model_path()

    def run(self) -> None:
        """The server runs already."""
