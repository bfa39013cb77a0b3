"""Whether what one step gives is what another one takes. Pure."""

from __future__ import annotations

import re

from mlserve.flow.nodes import Port

_NUMBER = re.compile(r"(FP|INT|UINT)(\d+)")
_WHOLE_IN_FLOAT = {"FP16": 8, "FP32": 16, "FP64": 64}
"""Whole numbers of so many bits keep their value, or nearly, as numpy counts it."""


def mismatch(source: Port, sink: Port) -> str:
    """What is wrong, as the end of a sentence; ``""`` where they fit or one of them is not known."""
    if source.datatype and sink.datatype and not converts(source.datatype, sink.datatype):
        return f"it wants {sink.datatype}, and that is {source.datatype}"
    if source.shape is None or sink.shape is None:
        return ""
    if len(source.shape) != len(sink.shape) or any(
        given > 0 and wanted > 0 and given != wanted for given, wanted in zip(source.shape, sink.shape, strict=True)
    ):
        return f"it wants shape {list(sink.shape)}, and that has {list(source.shape)}"
    return ""


def converts(source: str, sink: str) -> bool:
    """Numbers become wider ones, and floats any floats; nothing else is converted between steps."""
    if source == sink:
        return True
    given, wanted = _NUMBER.fullmatch(source), _NUMBER.fullmatch(sink)
    if wanted is None or (given is None and source != "BOOL"):
        return False
    if given is None:
        return True
    (kind, bits), (into, size) = ((m[1], int(m[2])) for m in (given, wanted))
    if into == "FP":
        return kind == "FP" or bits <= _WHOLE_IN_FLOAT[sink]
    if kind == into:
        return bits <= size
    return kind == "UINT" and into == "INT" and bits < size
