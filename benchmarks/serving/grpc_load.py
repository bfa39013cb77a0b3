"""A closed loop over gRPC with h2load: connections times concurrent streams, each a unary ModelInfer."""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
from pathlib import Path

from benchmarks.serving.answers import Wrong, compare
from benchmarks.serving.http_load import Count, need
from benchmarks.serving.models import Model
from benchmarks.serving.samples import percentile

_CHECK = Path(__file__).with_name("grpc_check.py")
METHOD = "/inference.GRPCInferenceService/ModelInfer"


def message(model: Model) -> bytes:
    """A ModelInferRequest with raw contents, written by hand: four fields need no protobuf compiler."""
    shape = b"".join(_varint(size) for size in model.shape)
    tensor = _field(1, model.input.encode()) + _field(2, b"FP32") + _field(3, shape)
    raw = struct.pack(f"<{len(model.data)}f", *model.data)
    return _field(1, model.name.encode()) + _field(5, tensor) + _field(7, raw)


def frame(body: bytes) -> bytes:
    """As gRPC sends it: uncompressed, with its length."""
    return b"\0" + struct.pack(">I", len(body)) + body


def asked_once(python: Path, port: int, model: Model) -> bytes:
    """The answer's message, by a real client of the environment of that interpreter."""
    words = [str(python), str(_CHECK), str(port)]
    done = subprocess.run(words, input=message(model), capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise Wrong(" ".join(done.stderr.decode(errors="replace").split()[-40:]))
    compare(numbers(done.stdout), model)
    return done.stdout


def numbers(answer: bytes) -> list[float]:
    """The last raw output of a ModelInferResponse."""
    at, raw = 0, b""
    while at < len(answer):
        key, at = _read_varint(answer, at)
        size, at = _read_varint(answer, at)
        if key & 7 != 2:
            continue  # a number, which has just been read as if it were a size
        if key >> 3 == 6:
            raw = answer[at : at + size]
        at += size
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def run(model: Model, port: int, connections: int, streams: int, seconds: int, size: int) -> Count:
    """One run. ``size``: of the right answer's frame; failures come as 200 without it, so the bytes are counted."""
    with tempfile.TemporaryDirectory() as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(frame(message(model)))
        command = [
            need("h2load", "nghttp2-client"),
            "-t1",
            f"-c{connections}",
            f"-m{streams}",
            f"-D{seconds}",
            f"-d{body}",
        ]
        command += [f"--log-file={log}", "-H", "content-type: application/grpc", "-H", "te: trailers"]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{METHOD}"],
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            check=True,
        )
        return count(done.stdout, [line.split("\t") for line in log.read_text().splitlines()], seconds, size)


def count(said: str, log: list[list[str]], seconds: float, size: int) -> Count:
    """h2load's own words and its log of (start, status, microseconds)."""
    match = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
    data = re.search(r"\((\d+)\) data", said)
    if match is None or data is None:
        raise SystemExit(f"h2load said something else:\n{said}")
    succeeded, *wrong = map(int, match.groups())
    wrong.append(max(0, succeeded - int(data.group(1)) // size))
    taken = [int(line[2]) / 1000 for line in log if line[1] == "200"] or [0.0]
    return Count(succeeded, seconds, percentile(taken, 0.5), percentile(taken, 0.99), sum(wrong))


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
