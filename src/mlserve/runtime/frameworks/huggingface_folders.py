"""What a Hugging Face folder says of itself: its task, how texts are cut and pooled, whether it brings code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.safety import refused

TASKS = ("text-classification", "embeddings")
_WEIGHTS = ("pytorch_model*.bin", "*.pt", "*.pth")


def config_of(path: Path) -> dict[str, Any]:
    file = path / "config.json"
    try:
        found = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise StartFailure(
            "missing-model",
            f"{path.name} is no folder with a config.json, so that it is no Hugging Face model",
            "save model and tokenizer into one folder with save_pretrained(folder), and name that as model_path",
        ) from exc
    except ValueError as exc:
        raise StartFailure("corrupt-model", f"{path.name}/config.json is not JSON: {exc}", "download it again") from exc
    if not isinstance(found, dict):
        raise StartFailure("corrupt-model", f"{path.name}/config.json is not an object", "download it again")
    return found


def refuse_code(path: Path, own: dict[str, Any], remote: bool) -> None:
    if remote or own.get("auto_map"):
        raise refused(path, "brings Python code of its own (trust_remote_code)", "take a model of transformers' own")
    if not list(path.glob("*.safetensors")):
        found = next((file.name for pattern in _WEIGHTS for file in path.glob(pattern)), "no weights")
        raise refused(
            path,
            f"holds its weights as a pickle ({found}), which can run code when it is read",
            "save it as safetensors: model.save_pretrained(folder)",
        )


def task_of(wanted: str, own: dict[str, Any], path: Path) -> str:
    words = {"sentiment-analysis": TASKS[0], "feature-extraction": TASKS[1], "sentence-similarity": TASKS[1]}
    wanted = words.get(wanted, wanted)
    if wanted:
        if wanted not in TASKS:
            raise StartFailure("bad-entry", f'no task "{wanted}" (tasks: {", ".join(TASKS)})', "change model_config")
        return wanted
    classes = [str(name) for name in own.get("architectures") or ()]
    if any(name.endswith("ForSequenceClassification") for name in classes):
        return TASKS[0]
    if not classes or any(name.endswith(("Model", "ForMaskedLM", "Encoder")) for name in classes):
        return TASKS[1]
    raise StartFailure(
        "unreadable-model",
        f"{path.name} is a {classes[0]}; texts are classified or embedded here",
        'if embeddings are what you want: "model_config": {"task": "embeddings"}; '
        "else serve it with processor_type python",
    )


def length_of(tokenizer: Any, own: dict[str, Any], config: dict[str, Any]) -> int | None:
    """How many tokens a text is cut to; None: the model takes any."""
    known = [config.get("max_tokens"), tokenizer.model_max_length, own.get("max_position_embeddings")]
    sizes = [int(size) for size in known if size and size < 1 << 30]
    return min(sizes) if sizes else None


def pooling_of(path: Path, config: dict[str, Any]) -> tuple[str, bool]:
    """How sentence-transformers pools, where the folder is one of its own; else the mean."""
    file = path / "1_Pooling" / "config.json"
    own = json.loads(file.read_bytes()) if file.is_file() else {}
    default = "cls" if own.get("pooling_mode_cls_token") else "mean"
    normalize = any(path.glob("*_Normalize"))
    return str(config.get("pooling") or default), bool(config.get("normalize", normalize))
