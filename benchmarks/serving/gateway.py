"""Our runtime once more through the whole line: what Envoy before the instance costs."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.home import fresh_home, mlserve
from benchmarks.peers.base import v2_json
from benchmarks.serving import http_load
from benchmarks.serving.models import Model
from benchmarks.serving.samples import Spread, ratios, rotated

CONNECTIONS = 16


def share(model: Model, rounds: int, seconds: int) -> str:
    """A sentence: requests a second at the instance and through the gateway, and the CPU of both."""
    with fresh_home() as home, tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        descriptor = {"name": model.name, "processor": "onnx", "model_path": str(model.path)}
        descriptor["metadata"] = {"instance": 1, "cpu": psutil.cpu_count(), "memory": 512}  # type: ignore[assignment]
        (place / "service.json").write_text(json.dumps(descriptor))
        mlserve("create", str(place / "service.json"))
        told = json.loads(mlserve("describe", model.name, "-o", "json"))
        direct, asked = f"http://{told['instances'][0]['address']}", v2_json(model)
        runtime = psutil.Process(told["instances"][0]["pid"])
        envoy = _envoy(home)
        asked = replace(asked, headers={**asked.headers, "authorization": told["token"]})
        through = replace(asked, path=urlsplit(told["endpoint"]).path + asked.path)
        gateway = "{0.scheme}://{0.netloc}".format(urlsplit(told["endpoint"]))
        ways = {"direct": (direct, asked), "gateway": (gateway, through)}
        reached: dict[str, list[float]] = {name: [] for name in ways}
        spent: dict[str, list[float]] = {"runtime": [], "envoy": []}
        for number in range(rounds + 1):
            for name in rotated(list(ways), number):
                base, request = ways[name]
                (place / name).mkdir(exist_ok=True)
                lua = http_load.script(request, place / name)
                before = [sum(process.cpu_times()[:2]) for process in (runtime, envoy)]
                count = http_load.run(lua, f"{base}{request.path}", CONNECTIONS, seconds)
                after = [sum(process.cpu_times()[:2]) for process in (runtime, envoy)]
                if count.errors:
                    raise SystemExit(f"{count.errors} of {count.requests} requests failed ({name})")
                if number:
                    reached[name].append(count.rps)
                    if name == "gateway":
                        for part, early, late in zip(("runtime", "envoy"), before, after, strict=True):
                            spent[part].append(1e6 * (late - early) / count.requests)
    relation = ratios(reached["direct"], reached["gateway"])
    return (
        f"Through the gateway ({model.name}, JSON, c={CONNECTIONS}, with a token) {Spread(reached['gateway'])} rps, "
        f"at the instance itself {Spread(reached['direct'])} rps ({relation}×); CPU for one request: runtime "
        f"{Spread(spent['runtime'])} µs, Envoy {Spread(spent['envoy'])} µs."
    )


def _envoy(home: Path) -> psutil.Process:
    """The one of this home."""
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or []
        if "envoy" in (process.info["name"] or "") and any(str(home) in word for word in words):
            return process
    raise SystemExit(f"no Envoy of {home} runs")
