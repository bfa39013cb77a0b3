"""Which estimators want their columns in a data frame. Pure."""

from __future__ import annotations

from collections.abc import Iterable

REQUIREMENT = "pandas>=1.3"
_CHOOSING = ("sklearn.compose._column_transformer", "sklearn.preprocessing._function_transformer")
"""scikit-learn's own that take columns by their names, or hand the frame to a user's function."""
_ARRAYS = frozenset(
    """
    sklearn numpy scipy joblib xgboost lightgbm catboost skops builtins __builtin__ copyreg copy_reg _codecs collections
    functools operator types typing re
    """.split()  # noqa: SIM905 - a list of one word a line is no easier to read
)
"""What never asks for one."""


def requirements(modules: Iterable[str], *, named_columns: bool) -> tuple[str, ...]:
    """Pandas, where the file holds objects of its own or an estimator that was fitted with a frame and wants one."""
    found = set(modules)
    tops = {module.partition(".")[0] for module in found}
    wanted = "pandas" in tops or (named_columns and (bool(found.intersection(_CHOOSING)) or bool(tops - _ARRAYS)))
    return (REQUIREMENT,) if wanted else ()
