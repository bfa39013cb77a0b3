"""Processors written for EAS and KServe, and plain functions, run here unchanged."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.runtime_kit import failed, processor, serving

from mlserve.errors import InvalidInput
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.loading import load
from mlserve.runtime.processors.base import Context, Loaded
from mlserve.runtime.raw_bodies import boxed
from mlserve.runtime.spec import Spec

EAS = """
# -*- coding: utf-8 -*-
import allspark


class MyProcessor(allspark.BaseProcessor):
    \"\"\" MyProcessor is a example
        you can send mesage like this to predict
        curl -v http://127.0.0.1:8080/api/predict/service_name -d '2 105'
    \"\"\"
    def initialize(self):
        \"\"\" load module, executed once at the start of the service
        \"\"\"
        allspark.default_properties().put('rpc.keepalive', '60000')
        self.module = {'w0': 100, 'w1': 2}

    def pre_proccess(self, data):
        x, y = data.split(b' ')
        return int(x), int(y)

    def post_process(self, data):
        return bytes(str(data), encoding='utf8')

    def process(self, data):
        \"\"\" process the request data
        \"\"\"
        x, y = self.pre_proccess(data)
        w0 = self.module['w0']
        w1 = self.module['w1']
        y1 = w1 * x + w0
        if y1 >= y:
            return self.post_process("True"), 200
        else:
            return self.post_process("False"), 400


if __name__ == '__main__':
    # parameter worker_threads indicates concurrency of processing
    runner = MyProcessor(worker_threads=10, endpoint='0.0.0.0:8080')
    runner.run()
"""
KSERVE = """
import argparse
from typing import Dict

import kserve
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server
from kserve.errors import InvalidInput


class Doubler(Model):
    def __init__(self, name: str):
        super().__init__(name)
        self.ready = False
        self.load()

    def load(self):
        self.factor = 2
        self.ready = True

    def preprocess(self, payload, headers: Dict[str, str] = None):
        self.seen = dict(headers or {})
        return payload

    async def predict(self, payload, headers: Dict[str, str] = None):
        if isinstance(payload, InferRequest):
            array = payload.inputs[0].as_numpy() * self.factor
            output = InferOutput(name="doubled", shape=list(array.shape), datatype="FP32")
            output.set_data_from_numpy(array, binary_data=False)
            return InferResponse(response_id=payload.id, model_name=self.name, infer_outputs=[output])
        if "instances" not in payload:
            raise InvalidInput("instances are wanted")
        rows = [[value * self.factor for value in row] for row in payload["instances"]]
        return {"predictions": rows, "who": self.name, "saw": self.seen.get("x-who")}


parser = argparse.ArgumentParser(parents=[model_server.parser])

if __name__ == "__main__":
    args, _ = parser.parse_known_args()
    ModelServer().start([Doubler("doubler")])
"""
PLAIN = """
class Plain:
    def load(self):
        self.ready = True

    def predict(self, payload, headers=None):
        return {"predictions": [len(row) for row in payload["instances"]]}
"""


def own(home: Path, code: str, entry: str = "app.py", **more: Any) -> Loaded:
    folder = processor(home, code, "app.py")
    return load(Spec("double", "python", processor_path=folder, processor_entry=entry, **more))


def test_the_sample_of_eas_runs_unchanged(tmp_path: Path) -> None:
    with serving(tmp_path, service="eas", processor="python", processor_path=processor(tmp_path, EAS)) as instance:
        answer = instance.post("/", b"2 104")
        assert (answer.status, answer.body) == (200, b"True")
        assert answer.headers["content-type"].startswith("text/plain")
        refused = instance.post("/any/path?x=1", b"2 105", Content_Type="application/x-protobuf")
        assert (refused.status, refused.body) == (400, b"False")
        assert instance.get("/describe").json["inputs"] == [{"name": "request", "type": "string", "shape": None}]
        assert 'code="400"' in instance.get("/metrics").body.decode()
        page = instance.get("/openapi.json").json["paths"]
        assert page["/eval"]["post"]["requestBody"]["content"] == {"*/*": {}}


def test_an_uncaught_exception_of_an_eas_processor_is_a_400_and_its_traceback_is_in_the_log(tmp_path: Path) -> None:
    with serving(tmp_path, service="eas", processor="python", processor_path=processor(tmp_path, EAS)) as instance:
        answer = instance.post("/", b"nothing to split")
        assert answer.status == 400
        assert "ValueError" in answer.json["error"]
        assert "in pre_proccess" in instance.log


def test_an_eas_processor_is_asked_by_tensor_too(tmp_path: Path) -> None:
    with serving(tmp_path, service="eas", processor="python", processor_path=processor(tmp_path, EAS)) as instance:
        tensor = {"name": "request", "datatype": "BYTES", "shape": [2], "data": ["2 104", "2 105"]}
        outputs = instance.post("/v2/models/eas/infer", {"inputs": [tensor]}).json["outputs"]
    assert [output["data"] for output in outputs] == [["True", "False"], [200, 400]]


@pytest.mark.parametrize(
    ("returned", "status", "body"),
    [
        ("b'x', 200", 200, b"x"),
        ("b'x', 0", 200, b"x"),
        ("'text', 404", 404, b"text"),
        ("{'a': 1}, 200", 200, b'{"a":1}'),
        ("b'alone'", 200, b"alone"),
        ("None, 200", 200, b""),
        ("b'x', -1", 500, b"x"),
        ("bytearray(b'x'), 503", 503, b"x"),
    ],
)
def test_body_and_status_are_what_process_returned(tmp_path: Path, returned: str, status: int, body: bytes) -> None:
    code = f"class P:\n    def initialize(self): pass\n    def process(self, data): return {returned}\n"
    outputs = own(tmp_path, code).predict(boxed(b""))
    assert (outputs["status"].item(), outputs["reply"].item()) == (status, body)


def test_the_model_is_found_as_on_eas(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w.txt").write_text("7")
    code = (
        "import os, allspark\n"
        "class P(allspark.BaseProcessor):\n"
        "    def initialize(self):\n"
        "        path = self.get_model_path().decode()\n"
        "        self.w = open(os.path.join(path, 'w.txt')).read() + os.environ['MODEL_DIR'][-5:]\n"
        "    def process(self, data): return self.w, 200\n"
    )
    folder = processor(tmp_path, code)
    spec = {"service": "eas", "processor": "python", "processor_path": folder, "model_path": str(tmp_path / "model")}
    with serving(tmp_path, **spec) as instance:
        assert instance.post("/", b"").body == b"7model"


def test_a_path_that_only_eas_has_is_explained(tmp_path: Path) -> None:
    code = "class P:\n    def initialize(self): open('/eas/workspace/model/m.bin')\n    def process(self, data): pass\n"
    instance = failed(tmp_path, service="eas", processor="python", processor_path=processor(tmp_path, code))
    assert instance.failure["cause"] == "missing-model"
    assert "get_model_path" in instance.failure["hint"]


def test_a_kserve_model_runs_unchanged(tmp_path: Path) -> None:
    with serving(tmp_path, service="dbl", processor="python", processor_path=processor(tmp_path, KSERVE)) as instance:
        v1 = instance.post("/v1/models/dbl:predict", {"instances": [[1, 2]]}, x_who="me")
        assert v1.json == {"predictions": [[2, 4]], "who": "dbl", "saw": "me"}
        assert instance.post("/", {"instances": [[3]]}).json["predictions"] == [[6]]
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
        v2 = instance.post("/v2/models/dbl/infer", {"id": "7", "inputs": [tensor]}).json
        assert v2["id"] == "7"
        assert v2["outputs"] == [{"name": "doubled", "datatype": "FP32", "shape": [1, 2], "data": [2.0, 4.0]}]
        assert instance.post("/", {"inputs": [tensor]}).json["outputs"][0]["data"] == [2.0, 4.0]
        refused = instance.post("/v1/models/dbl:predict", {"x": 1})
        assert refused.status == 400
        assert "instances are wanted" in refused.json["error"]
        assert instance.post("/v1/models/other:predict", {"instances": []}).status == 404
        assert instance.post("/v1/models/dbl:predict", b"no json").status == 400


def test_a_class_in_kserves_form_without_its_base_is_run_too(tmp_path: Path) -> None:
    outputs = _asked(own(tmp_path, PLAIN), {"instances": [[1, 2], []]})
    assert outputs == {"predictions": [2, 0]}


def test_the_folder_where_kserve_mounts_a_model_means_ours(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w.txt").write_text("7")
    code = (
        "import kserve, os\n"
        "from kserve.storage import Storage\n"
        "class M(kserve.Model):\n"
        "    def load(self):\n"
        "        folder = Storage.download('/mnt/models')\n"
        "        self.w = int(open(os.path.join(folder, 'w.txt')).read())\n"
        "        self.ready = True\n"
        "    def predict(self, payload, headers=None):\n"
        "        return kserve.utils.utils.get_predict_response(\n"
        "            payload, kserve.get_predict_input(payload) * self.w, self.name)\n"
    )
    told = {"processor_path": processor(tmp_path, code), "model_path": str(tmp_path / "model")}
    with serving(tmp_path, service="m", processor="python", **told) as instance:
        assert instance.post("/", {"instances": [[1, 2]]}).json == {"predictions": [[7, 14]]}
        tensor = {"name": "x", "datatype": "FP32", "shape": [2], "data": [1, 2]}
        outputs = instance.post("/v2/models/m/infer", {"inputs": [tensor]}).json["outputs"]
        assert outputs == [{"name": "output-0", "datatype": "FP32", "shape": [2], "data": [7.0, 14.0]}]
    hard = code.replace("Storage.download('/mnt/models')", "'/mnt/models'")
    instance = failed(
        tmp_path / "hard", service="m", processor="python", processor_path=processor(tmp_path / "h", hard)
    )
    assert instance.failure["cause"] == "missing-model"
    assert "MODEL_DIR" in instance.failure["hint"]


def test_requests_to_an_async_predict_wait_side_by_side(tmp_path: Path) -> None:
    code = (
        "import asyncio, kserve\n"
        "class M(kserve.Model):\n"
        "    here, all_here = 0, asyncio.Event()\n"
        "    async def predict(self, payload, headers=None):\n"
        "        self.here += 1\n"
        "        if self.here == 8:\n"
        "            self.all_here.set()\n"
        "        await self.all_here.wait()\n"
        "        return {'predictions': payload['instances']}\n"
    )
    told = {"processor": "python", "processor_path": processor(tmp_path, code)}
    with serving(tmp_path, service="m", worker_threads=1, **told) as instance, ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda number: instance.post("/", {"instances": [number]}).json, range(8)))
        assert [answer["predictions"] for answer in answers] == [[number] for number in range(8)]


def test_what_a_constructor_wants_and_nobody_knows_is_named(tmp_path: Path) -> None:
    code = PLAIN.replace("    def load", "    def __init__(self, name, database): pass\n\n    def load")
    with pytest.raises(StartFailure, match="database"):
        own(tmp_path, code)
    assert own(tmp_path / "told", code, model_config={"database": "x"}).metadata().platform == "python_kserve"


def test_a_status_that_a_kserve_model_asks_for_is_answered(tmp_path: Path) -> None:
    code = PLAIN.replace("return {", "raise Busy('later') if payload else {").replace(
        "class Plain", "class Busy(Exception):\n    status_code = 503\n\n\nclass Plain"
    )
    with pytest.raises(InvalidInput) as refused:
        _asked(own(tmp_path, code, "app.py:Plain"), {"instances": []})
    assert refused.value.status == 503


def test_a_plain_function_takes_inputs_by_the_names_of_its_parameters(tmp_path: Path) -> None:
    code = "def scale(image, by=2):\n    return {'scaled': image * by}\n"
    scale = own(tmp_path, code, "app.py:scale")
    assert [(t.name, t.optional) for t in scale.metadata().inputs] == [("image", False), ("by", True)]
    assert scale.predict({"image": np.array([1, 2])})["scaled"].tolist() == [2, 4]
    assert scale.predict({"image": np.array([1]), "by": np.array(5)})["scaled"].tolist() == [5]


def test_a_function_of_inputs_takes_all_of_them(tmp_path: Path) -> None:
    code = "def count(inputs):\n    return len(inputs)\n"
    count = own(tmp_path, code, "app.py:count")
    assert count.metadata().open
    assert count.predict({"a": np.zeros(1), "b": np.zeros(1)})["output"].item() == 2


def test_two_classes_that_could_be_meant_are_a_bad_entry(tmp_path: Path) -> None:
    code = "".join(f"class {n}:\n def initialize(self): pass\n def process(self, d): return d\n" for n in "AB")
    with pytest.raises(StartFailure, match="A, B"):
        own(tmp_path, code)
    assert own(tmp_path / "named", code, "app.py:B").metadata().platform == "python_allspark"


def _asked(model: Loaded, body: Any) -> Any:
    predict: Any = model.predict
    return json.loads(predict(boxed(json.dumps(body).encode()), Context())["reply"].item())
