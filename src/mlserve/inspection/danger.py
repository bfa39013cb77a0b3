"""Names that a model's pickle has no honest use for. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_MODULES = frozenset(
    """
    os posix nt subprocess _posixsubprocess shutil socket _socket pty runpy ctypes _ctypes importlib imp marshal pip sys
    webbrowser code codeop commands popen2 ftplib http httplib urllib urllib2 requests httpx smtplib telnetlib pdb bdb
    timeit cProfile profile trace asyncio multiprocessing signal pydoc tempfile sqlite3 xmlrpc socketserver fcntl pickle
    _pickle dill
    """.split()  # noqa: SIM905 - a list of one word a line is no easier to read
)
_BUILTINS = frozenset(
    """
    eval exec compile __import__ open input breakpoint getattr setattr delattr globals locals vars apply execfile
    memoryview help
    """.split()  # noqa: SIM905 - as above
)
_NAMES = {
    "builtins": _BUILTINS,
    "operator": frozenset({"attrgetter", "methodcaller"}),
    "types": frozenset({"CodeType", "FunctionType"}),
    "torch": frozenset({"load"}),
    "joblib": frozenset({"load"}),
    "numpy": frozenset({"load"}),
    "pandas": frozenset({"read_pickle", "eval"}),
    "cloudpickle": frozenset({"loads"}),
}
_HARMLESS = frozenset({("os", "PathLike"), ("sys", "maxsize")})


def dangerous(imports: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Those of ``(module, name)`` that could do anything at all when the pickle is loaded."""
    return tuple(sorted(f"{module}.{name}" for module, name in imports if _is_dangerous(module, name)))


def _is_dangerous(module: str, name: str) -> bool:
    top = module.partition(".")[0]
    top = "builtins" if top == "__builtin__" else top
    if (module, name) in _HARMLESS:
        return False
    words = name.split(".")
    # A dotted name reaches through one module into another: `sklearn.os.system`.
    return (
        top in _MODULES
        or bool(_NAMES.get(top, frozenset()) & set(words))
        or (len(words) > 1 and bool(_MODULES & set(words)))
    )
