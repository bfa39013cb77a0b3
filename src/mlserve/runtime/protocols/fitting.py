"""The rank that a model declares, for values that come as a batch, as one row or as a single value."""

from __future__ import annotations

from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.tensors import Array, bad, fits

BATCH, ROW, SINGLE = range(3)
"""How the inputs came: as a batch, as one row, as a single value each; outputs are written alike."""


def fit(array: Array, tensor: Tensor) -> tuple[Array, int]:
    """The array in the rank the model declares, and whether it came as batch, as one row or as a single value."""
    want = tensor.shape
    if want is None:
        return array, BATCH
    came, rank = array.shape, len(want)
    if len(came) == rank:
        form = BATCH if rank else SINGLE
    elif came == ():
        array, form = array.reshape((1,) * rank), SINGLE
    elif len(came) == rank - 1 and want[0] in (-1, 1) and (came == want[1:] or fits((want[0], *came), tensor)):
        array, form = array[None], ROW
    elif len(came) == 1 and rank == 2 and want[1] == 1:
        array, form = array[:, None], BATCH  # a column
    elif came == (0,) and want[0] == -1:
        array, form = array.reshape([0, *(max(size, 0) for size in want[1:])]), BATCH  # no rows
    else:
        raise bad(tensor, f"shape {list(came)}")
    if fits(array.shape, tensor):
        return array, form
    raise bad(tensor, f"shape {list(came)}")
