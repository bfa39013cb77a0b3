"""Secrets of a processor travel in files: what the engine hides is what the runtime finds again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlserve.descriptor import parse
from mlserve.engines.base import Artifacts, Launch
from mlserve.engines.runtime import create
from mlserve.errors import InvalidInput
from mlserve.runtime.secret_files import take_in
from mlserve.workload import Workload


def workload(**fields: Any) -> Workload:
    raw = {"name": "a", "processor": "python", "processor_path": "p", "processor_entry": "a.py", **fields}
    launch = Launch("a", 1, "/usr/bin/python3", "/opt/runtime")
    return create().workload(parse(raw).descriptor, Artifacts({"/processor_path": "/srv/p"}), launch)


def brought(made: Workload, folder: Path) -> dict[str, str]:
    """The environment that the program has once it took its secrets in."""
    for name, text in made.secrets.items():
        (folder / name).write_text(text)
    environment = {**made.environment, "MLSERVE_SECRETS": str(folder)}
    take_in(environment)
    return environment


def test_secret_variables_are_not_in_the_environment_and_the_program_has_them_all_the_same(tmp_path: Path) -> None:
    variables = {
        "HF_TOKEN": "hidden", "AWS_SECRET_ACCESS_KEY": "hidden", "AWS_ACCESS_KEY_ID": "hidden",
        "DATABASE": "postgres://me:hidden@db/x", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hidden",
        "LEVEL": "3", "MAX_TOKENS": "5",
    }  # fmt: skip
    made = workload(processor_envs=[{"name": name, "value": value} for name, value in variables.items()])
    assert "hidden" not in str(dict(made.environment))
    assert "hidden" not in repr(made)
    assert (made.environment["LEVEL"], made.environment["MAX_TOKENS"]) == ("3", "5")
    found = brought(made, tmp_path)
    assert {name: found[name] for name in variables} == variables


@pytest.mark.parametrize(
    "config", [{"api_key": "hidden", "depth": 3}, '{"api_key": "hidden", "depth": 3}', "password=hidden"]
)
def test_a_model_config_with_a_secret_is_not_in_the_environment(config: Any, tmp_path: Path) -> None:
    made = workload(model_config=config)
    assert "hidden" not in str(dict(made.environment))
    assert json.loads(brought(made, tmp_path)["MLSERVE_RUNTIME"])["model_config"] == config


def test_without_secrets_there_are_no_files(tmp_path: Path) -> None:
    made = workload(model_config={"depth": 3}, processor_envs=[{"name": "LEVEL", "value": 1}])
    assert made.secrets == {}
    environment = dict(made.environment)
    take_in(environment)
    assert environment == made.environment


def test_secrets_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "environment.json").mkdir()
    with pytest.raises(InvalidInput, match="secrets can't be read"):
        take_in({"MLSERVE_SECRETS": str(tmp_path)})
