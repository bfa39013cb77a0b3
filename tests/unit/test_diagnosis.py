"""An exception of the start, in the words of the one who deploys."""

from __future__ import annotations

import pytest

from mlserve.runtime.failures.diagnosis import diagnosis
from mlserve.runtime.spec import Spec

SPEC = Spec(service="s", processor="pytorch")
WITH_GPU = Spec(service="s", processor="pytorch", gpu=1)


@pytest.mark.parametrize(
    ("error", "spec", "cause", "hint"),
    [
        (ImportError("libcudart.so.12: cannot open shared object file"), SPEC, "gpu-unavailable", '"gpu": 1'),
        (RuntimeError("Found no NVIDIA driver on your system"), WITH_GPU, "gpu-unavailable", "nvidia-smi"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), WITH_GPU, "out-of-memory", "gpu_memory"),
        (MemoryError("4 GiB"), SPEC, "out-of-memory", '"memory"'),
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), SPEC, "missing-library", "opencv-python-headless"),
        (FileNotFoundError(2, "no", "model.bin"), SPEC, "missing-model", "model_path"),
        (PermissionError(13, "no", "model.bin"), SPEC, "unreadable-model", "permission"),
        (ValueError("shapes differ"), SPEC, "load-exception", "mlserve test"),
    ],
)
def test_a_cause_has_a_word_and_a_way_out(error: Exception, spec: Spec, cause: str, hint: str) -> None:
    found = diagnosis(error, spec, "load")
    assert found[0] == cause
    assert hint in found[2]


def test_the_same_error_in_the_first_request_is_called_that() -> None:
    assert diagnosis(ValueError("x"), SPEC, "warm-up")[0] == "warm-up-failed"
