"""The last check before a step: an array is what the step declares, or becomes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlserve.flow.fitting import converts
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.tensors import DTYPES, datatype_of, fits, wanted


def fitted(array: Any, tensor: Tensor) -> Any:
    """The array itself where it fits; numbers become wider ones, floats any floats. Raises ValueError."""
    if not isinstance(array, np.ndarray):
        array = np.asarray(array)
    came = datatype_of(array)
    if tensor.datatype and came != tensor.datatype:
        if not converts(came, tensor.datatype):
            raise ValueError(f'input "{tensor.name}" wants {wanted(tensor)}; the step before gave {came}')
        array = array.astype(DTYPES[tensor.datatype])
    if not fits(array.shape, tensor):
        raise ValueError(
            f'input "{tensor.name}" wants {wanted(tensor)}; the step before gave shape {list(array.shape)}'
        )
    return array
