"""Requests and responses of the Open Inference Protocol as KServe's processors know them; the data are arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from mlserve.runtime.tensors import DTYPES, Array, datatype_of


class _Tensor:
    def __init__(
        self,
        name: str,
        shape: Iterable[int],
        datatype: str,
        data: Any = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.parameters = dict(parameters or {})
        self._shape, self._datatype = [int(size) for size in shape], datatype
        self._data = data

    @property
    def shape(self) -> list[int]:
        return self._shape

    @property
    def datatype(self) -> str:
        return self._datatype

    @property
    def data(self) -> Any:
        """Flat, as in JSON."""
        return self._data.ravel().tolist() if isinstance(self._data, np.ndarray) else self._data

    def as_numpy(self) -> Array:
        if isinstance(self._data, np.ndarray):
            return self._data
        dtype = DTYPES.get(self._datatype)
        return np.array([] if self._data is None else self._data, dtype=dtype).reshape(self._shape)

    def as_string(self) -> list[str]:
        """The values of a BYTES tensor as text."""
        return [item.decode() if isinstance(item, bytes) else str(item) for item in self.as_numpy().ravel()]

    def set_data_from_numpy(self, input_tensor: Array, binary_data: bool = True) -> None:
        """``binary_data`` is for the client to say here, in its request."""
        self.set_array(input_tensor)

    def set_array(self, array: Array) -> Any:
        """Take an array with its own shape and datatype."""
        self._data, self._shape, self._datatype = array, list(array.shape), datatype_of(array)
        return self


class InferInput(_Tensor):
    """One input of a request."""


class InferOutput(_Tensor):
    """One output of a response."""


class InferRequest:
    """A v2 request."""

    def __init__(
        self,
        model_name: str,
        infer_inputs: Sequence[InferInput],
        request_id: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self.model_name, self.id = model_name, request_id
        self.inputs = list(infer_inputs)
        self.parameters = dict(parameters or {})
        self.from_grpc = False

    def get_input_by_name(self, name: str) -> InferInput | None:
        return next((item for item in self.inputs if item.name == name), None)

    def as_dataframe(self) -> Any:
        """A column for each input."""
        columns = {item.name: item.as_string() if item.datatype == "BYTES" else item.data for item in self.inputs}
        return import_module("pandas").DataFrame(columns)

    def to_rest(self) -> dict[str, Any]:
        return {"id": self.id, "model_name": self.model_name, "inputs": [_rest(item) for item in self.inputs]}


class InferResponse:
    """A v2 response."""

    def __init__(
        self,
        response_id: str | None,
        model_name: str,
        infer_outputs: Sequence[InferOutput],
        parameters: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self.id, self.model_name = response_id, model_name
        self.outputs = list(infer_outputs)
        self.parameters = dict(parameters or {})

    def get_output_by_name(self, name: str) -> InferOutput | None:
        return next((item for item in self.outputs if item.name == name), None)

    def to_rest(self) -> dict[str, Any]:
        return {"id": self.id, "model_name": self.model_name, "outputs": [_rest(item) for item in self.outputs]}

    to_dict = to_rest


def _rest(item: _Tensor) -> dict[str, Any]:
    return {"name": item.name, "shape": item.shape, "datatype": item.datatype, "data": item.data}
