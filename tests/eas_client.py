"""EAS's own client from PyPI, the referee of signed and direct requests, in an environment of its own.

(It wants a protobuf that is older than ours.)
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlserve import environments
from mlserve.errors import EnvironmentFailed
from tests.heavy import CACHE

_WANTED = ("eas-prediction==0.36", "protobuf==3.20.3")
_SCRIPT = """
import json, sys, warnings
warnings.simplefilter("ignore")
from eas_prediction import PredictClient, StringRequest
from eas_prediction.exception import PredictException

told = json.load(sys.stdin)
client = PredictClient(told["gateway"], told["service"])
client.set_endpoint_type(told["type"])
client.set_token(told["token"])
client.set_retry_count(told["tries"])
client.init()
said = []
for _ in range(told["times"]):
    try:
        answer = client.predict(StringRequest(told["body"]))
        said.append([200, bytes(answer.response_data).decode()])
    except PredictException as exc:
        said.append([exc.code, str(exc)])
client.destroy()
print(json.dumps(said))
"""

_SIGN = """
import json, sys
from eas_prediction import PredictClient

told = json.load(sys.stdin)
client = PredictClient("http://127.0.0.1:1", told["service"])
client.set_token(told["token"])
print(json.dumps(client.generate_singaure(bytearray(told["body"], "utf-8"))))
"""


def python() -> Path:
    """The interpreter that has it; built once, and skipped where that can't be done."""
    try:
        return asyncio.run(environments.ensure(_WANTED, home=CACHE)).python
    except EnvironmentFailed as exc:
        if "without the network" not in exc.message:
            raise
        pytest.skip(f"needs a package index: {exc.message}")


def ask(gateway: str, service: str, token: str, body: Any, **more: Any) -> list[tuple[int, str]]:
    """What its client gets for some requests: ``type`` DEFAULT (the gateway) or DIRECT, ``times``, ``tries``."""
    told = {"gateway": gateway, "service": service, "token": token, "body": json.dumps(body)}
    said = _run(_SCRIPT, told | {"type": "DEFAULT", "times": 1, "tries": 1} | more)
    return [(int(status), str(text)) for status, text in said]


def signature(service: str, token: str, body: bytes, zone: str = "UTC") -> dict[str, str]:
    """The headers of a request as its client signs them, where the clock shows the time of ``zone``."""
    made: dict[str, str] = _run(_SIGN, {"service": service, "token": token, "body": body.decode()}, TZ=zone)
    return made


def _run(script: str, told: Any, **environment: str) -> Any:
    done = subprocess.run(
        [python(), "-c", script], input=json.dumps(told), env=os.environ | environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
