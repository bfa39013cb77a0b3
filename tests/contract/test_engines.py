"""What every engine keeps to: it takes descriptors that no other one takes, and says all that a start needs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mlserve.descriptor import Descriptor, parse, read_file
from mlserve.engines.base import Artifacts, Engine, Launch
from mlserve.engines.choice import engine_of, engines
from mlserve.engines.runtime import BASE_REQUIREMENTS, RuntimeEngine
from mlserve.errors import InvalidDescriptor

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/*/service.json"))


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.parent.name)
def descriptor(request: pytest.FixtureRequest) -> Descriptor:
    return parse(read_file(request.param)).descriptor


def test_each_engine_has_an_example() -> None:
    taken = {type(engine_of(parse(read_file(path)).descriptor)) for path in EXAMPLES}
    assert taken == {type(engine) for engine in engines()}


def test_exactly_one_engine_takes_a_descriptor(descriptor: Descriptor) -> None:
    assert [engine for engine in engines() if engine.handles(descriptor)] == [engine_of(descriptor)]


def test_a_workload_says_how_to_start_what_the_descriptor_asks_for(descriptor: Descriptor, tmp_path: Path) -> None:
    engine, launch = engine_of(descriptor), Launch("iris", 3, "/env/bin/python", "/only/mlserve")
    artifacts = Artifacts({"/model_path": "/models/m", "/processor_path": str(tmp_path)})
    (tmp_path / "requirements.txt").write_text("# what it needs\n\nrequests>=2  # the web\n")
    workload = engine.workload(descriptor, artifacts, launch)
    assert (workload.service, workload.version, workload.count) == ("iris", 3, descriptor.metadata.instance)
    assert workload.command or engine.image(descriptor, {})
    assert workload.resources.memory_mb == descriptor.metadata.memory
    assert workload.requirements == engine.requirements(descriptor, artifacts)
    assert workload == engine.workload(descriptor, artifacts, launch)
    if engine.packed:  # else its own code comes in its image, or in the folders of its models
        assert workload.workdir == str(tmp_path)
        assert "requests>=2" in workload.requirements


def test_paths_an_engine_names_are_absolute(descriptor: Descriptor) -> None:
    engine: Engine = engine_of(descriptor)
    assert all(path.startswith("/") for path in (*engine.proof_paths, engine.live_path or "/"))


def test_a_processor_that_nobody_has_is_refused_with_the_choices() -> None:
    unknown = parse({"name": "a", "processor": "onx", "model_path": "m.onnx", "metadata": {"instance": 1, "cpu": 1}})
    with pytest.raises(InvalidDescriptor, match="onnx, pmml, python") as caught:
        engine_of(unknown.descriptor)
    assert 'did you mean "onnx"' in caught.value.hint


def test_the_runtime_asks_for_what_its_extra_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = {line.partition(";")[0].strip() for line in project["optional-dependencies"]["runtime"]}
    assert extra == set(BASE_REQUIREMENTS)


def test_a_pickle_brings_every_library_it_was_saved_with() -> None:
    descriptor = parse({"name": "mixed", "processor": "sklearn", "model_path": "m.joblib", "metadata": {"instance": 1}})
    found = Artifacts({}, {"scikit-learn": "1.5.2", "xgboost": "2.1.0"}, "sklearn")
    wanted = RuntimeEngine().requirements(descriptor.descriptor, found)
    assert {"scikit-learn==1.5.2", "xgboost==2.1.0"} <= set(wanted)


@pytest.mark.parametrize(
    ("processor", "config", "there"),
    [("sklearn", {}, True), ("onnx", {}, False), ("onnx", {"arrow": True}, True), ("xgboost", {"arrow": False}, False)],
)
def test_the_large_library_for_tables_is_there_where_tables_are_sent(
    processor: str, config: dict[str, object], there: bool
) -> None:
    descriptor = Descriptor.model_validate(
        {"name": "m", "model_path": "m", "processor": processor, "model_config": config, "metadata": {"instance": 1}}
    )
    requirements = RuntimeEngine().requirements(descriptor, Artifacts())
    assert ("pyarrow>=15" in requirements) is there


def test_what_the_models_own_objects_need_is_installed_until_it_is_converted() -> None:
    descriptor = parse(
        {"name": "a", "processor": "sklearn", "model_path": "m.pkl", "metadata": {"instance": 1, "cpu": 1}}
    )
    found = Artifacts({}, {"scikit-learn": "1.5.2"}, requirements=("pandas>=1.3",))
    assert "pandas>=1.3" in RuntimeEngine().requirements(descriptor.descriptor, found)
    pinned = Artifacts({}, {"pandas": "2.2.0"}, requirements=("pandas>=1.3",))
    assert RuntimeEngine().requirements(descriptor.descriptor, pinned).count("pandas==2.2.0") == 1
    converted = Artifacts({}, processor="onnx", requirements=("pandas>=1.3",))
    assert not [one for one in RuntimeEngine().requirements(descriptor.descriptor, converted) if "pandas" in one]
