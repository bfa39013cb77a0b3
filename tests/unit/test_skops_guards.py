"""require_safe trusts a skops file only to a skops that guards against what may be in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.loading import load
from mlserve.runtime.spec import Spec


@pytest.mark.parametrize(("version", "taken"), [("0.11.0", False), ("0.13.0", True), ("1.0", True)])
def test_an_old_skops_is_not_trusted(
    version: str, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.skops"
    skops.io.dump(LogisticRegression().fit(np.eye(2), [0, 1]), path)
    monkeypatch.setattr(skops, "__version__", version)
    wished = Spec(service="s", processor="sklearn", model_path=str(path), require_safe=True)
    if taken:
        load(wished)
        return
    with pytest.raises(StartFailure, match=r"skops 0\.11"):
        load(wished)
