"""What an exception of the start means: its cause in one word, the reason, what to try. Pure."""

from __future__ import annotations

import re
from pathlib import Path

from mlserve.runtime.failures.frames import while_importing
from mlserve.runtime.spec import Spec

Diagnosis = tuple[str, str, str]
"""Cause, reason, hint."""
_GPU = re.compile(r"cuda|cudnn|nvidia|libcu\w+\.so|no gpu|tensorrt", re.IGNORECASE)
_GPU_FULL = re.compile(
    r"(cuda|gpu)[^\n]*out of memory|cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY", re.IGNORECASE
)
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "cv2": "opencv-python-headless", "PIL": "Pillow", "yaml": "PyYAML",
    "bs4": "beautifulsoup4",
    "skimage": "scikit-image", "dateutil": "python-dateutil", "Crypto": "pycryptodome", "dotenv": "python-dotenv",
    "google.protobuf": "protobuf", "onnxruntime": "onnxruntime", "attr": "attrs", "jwt": "PyJWT", "faiss": "faiss-cpu",
}  # fmt: skip


def diagnosis(error: BaseException, spec: Spec, phase: str) -> Diagnosis:
    """Of an exception that nobody has explained yet."""
    text = sentence(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing_library(error.name, spec)
    if isinstance(error, MemoryError):
        hint = 'raise "metadata": {"memory": …} in the descriptor'
        return "out-of-memory", f"not enough memory to load the model: {text}", hint
    if found := _of_gpu(error, text, spec):
        return found
    if isinstance(error, FileNotFoundError):
        where = error.filename or text
        return "missing-model", f"no such file: {where}", "check model_path and the names that load() opens"
    if isinstance(error, PermissionError):
        return "unreadable-model", f"may not read {error.filename or text}", "give the file read permission"
    if isinstance(error, ImportError | SyntaxError) or while_importing(error):
        return "import-exception", f"importing the processor failed: {text}", "the frames show where"
    hint = "the frames show where; mlserve test tries it again without deploying"
    if phase == "warm-up":
        return "warm-up-failed", f"the first request failed: {text}", hint
    return "load-exception", f"load() failed: {text}", hint


def _of_gpu(error: BaseException, text: str, spec: Spec) -> Diagnosis | None:
    if _GPU_FULL.search(str(error)):
        hint = "let fewer instances share the GPU (metadata.gpu_memory), or serve the model with fewer bits"
        return "out-of-memory", f"not enough memory on the GPU: {text}", hint
    likely = isinstance(error, ImportError | OSError | RuntimeError | ValueError | AssertionError)
    if not likely or not _GPU.search(str(error)):
        return None
    if spec.gpu:
        hint = "check the driver with nvidia-smi, and that the library was built for its CUDA version"
    else:
        hint = 'ask for one with "metadata": {"gpu": 1}, or load the model on the CPU'
    return "gpu-unavailable", f"the GPU can't be used: {text}", hint


def _missing_library(module: str, spec: Spec) -> tuple[str, str, str]:
    top = module.split(".")[0]
    distribution = _DISTRIBUTIONS.get(module) or _DISTRIBUTIONS.get(top) or top
    place = f"{Path(spec.processor_path).name}/requirements.txt (beside the processor)" if spec.processor_path else ""
    return (
        "missing-library",
        f'the library "{distribution}" is not installed (import {module})',
        f"add the line {distribution} to {place}"
        if place
        else f"write the line {distribution} into requirements.txt in a folder, and name that folder as processor_path",
    )


def sentence(error: BaseException) -> str:
    """Its type and text in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:400]}" if text else type(error).__name__
