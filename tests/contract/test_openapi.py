"""A running service describes itself: its OpenAPI document is valid, true, and its examples work."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.unit.runtime_kit import IRIS, Running, processor, serving

WRITER = """
class Writer:
    def metadata(self):
        text = {"type": "string", "shape": [-1]}
        return {"inputs": [{"name": "text_input", **text}], "outputs": [{"name": "text_output", **text}]}
    def stream(self, inputs, context):
        for word in inputs["text_input"][0].split():
            yield {"text_output": [word]}
"""
PICTURES = """
class Pictures:
    def metadata(self):
        shape = {"type": "float32", "shape": [-1, 3, 32, 32]}
        return {"inputs": [{"name": "image", **shape}], "outputs": [{"name": "image", **shape}]}
    def predict(self, inputs):
        return inputs
"""


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("iris")
    with serving(home, model_path=str(IRIS)) as instance:
        yield instance


@pytest.fixture(params=["iris", WRITER, PICTURES], scope="module")
def instance(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("own")
    if request.param == "iris":
        yield request.getfixturevalue("iris")
        return
    own = processor(home, request.param)
    with serving(home, processor="python", processor_path=own, service="own") as running:
        yield running


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_path_answers_and_every_example_works(instance: Running) -> None:
    document = instance.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": ".", "description": "beside this document"}]
    for path, method, operation in operations(document):
        if method == "get":
            assert instance.get(path).status == 200, path
            continue
        content = operation["requestBody"]["content"]["application/json"]
        Draft202012Validator.check_schema(content["schema"])
        if "example" in content:
            Draft202012Validator(content["schema"]).validate(content["example"])
            assert instance.post(path, content["example"]).status == 200, (path, content["example"])


def test_the_document_has_the_real_inputs(iris: Running) -> None:
    document = iris.get("/openapi.json").json
    schema = document["paths"]["/eval"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    assert "/v2/models/iris/generate" not in document["paths"]
    assert "input `petal_width`: FP32, [-1, 1]" in document["info"]["description"]


def test_what_is_watched_is_in_the_document_where_the_descriptor_asks_for_it(iris: Running, tmp_path: Path) -> None:
    assert not {"/explain", "/drift"} & iris.get("/openapi.json").json["paths"].keys()
    reference = tmp_path / "flowers.csv"
    rows = (f"{5 + n / 50},{3 + n / 99},{2 + n / 20},{n / 40}" for n in range(60))
    reference.write_text("\n".join(["sepal_length,sepal_width,petal_length,petal_width", *rows]))
    with serving(tmp_path, model_path=str(IRIS), monitor={"drift": {"reference": str(reference)}}) as watched:
        assert "/drift" in watched.get("/openapi.json").json["paths"]
        assert watched.get("/drift").status == 200


def test_the_page_needs_nothing_from_elsewhere_and_holds_nothing_of_the_service(instance: Running) -> None:
    answer = instance.get("/docs")
    page = answer.body.decode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.search(r"https?://|//cdn|@import|src=|innerHTML|Storage|cookie", page)
    about = instance.get("/openapi.json").json["info"]["x-model"]
    names = [tensor["name"] for tensor in (*about["inputs"], *about["outputs"])]
    assert not any(f'"{name}"' in page or f">{name}<" in page for name in names)


def test_the_pages_own_script_and_style_are_all_that_its_policy_allows(iris: Running) -> None:
    page = iris.get("/docs").body.decode()
    for kind, tag in (("script", "script"), ("style", "style")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = b64encode(sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in page
    assert "default-src 'none'" in page
    assert iris.get("/docs").headers["content-security-policy"] == "frame-ancestors 'none'"


def test_what_the_document_says_of_answers_is_true(instance: Running) -> None:
    schema = schemathesis.openapi.from_dict(instance.get("/openapi.json").json, config=SchemathesisConfig())
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def story(case: Any) -> None:
        case.call_and_validate(base_url=f"http://127.0.0.1:{instance.port}", checks=checks)

    for operation in schema.get_all_operations():
        given(operation.ok().as_strategy())(story)()
