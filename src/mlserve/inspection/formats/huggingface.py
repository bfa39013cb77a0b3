"""Hugging Face folders: config.json, weights, tokenizer. Safetensors hold numbers alone; pickles and own code run."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlserve.inspection.finding import Finding, damaged

ORDER = 14
SUFFIXES = (".safetensors",)
MARKERS = ("config.json",)
_MAX_JSON = 64 << 20
_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth")


def matches(head: bytes, suffix: str) -> bool:
    """Weights by their suffix; the folder is what is served."""
    return suffix in SUFFIXES


def read(path: Path) -> Finding:
    """What a file of weights says of itself."""
    why = _cut(path)
    if why:
        return damaged("huggingface", why)
    return Finding(framework="safetensors", notes=("weights alone: name the folder that has their config.json",))


def read_folder(path: Path) -> Finding:
    """What a folder says; one whose config.json is of something else is not ours."""
    config, why = _config(path / "config.json")
    if why:
        return damaged("huggingface", why)
    if not ("model_type" in config or "architectures" in config):
        return Finding()
    weights, pickles = sorted(path.glob("*.safetensors")), [f for pattern in _PICKLES for f in path.glob(pattern)]
    return Finding(
        format="huggingface",
        framework="transformers",
        inputs=({"name": "text", "type": "string", "shape": [-1]},),
        dangerous=("Python code of its own",) if config.get("auto_map") else (),
        runs_code=_code(config, weights, pickles),
        problems=tuple(_problems(path, weights, pickles)),
        notes=() if any((path / name).is_file() for name in _TOKENIZERS) else ("there is no tokenizer beside it",),
        facts=_facts(config),
    )


def _facts(config: dict[str, Any]) -> dict[str, Any]:
    names = config.get("architectures")
    facts = {
        "class": names[0] if isinstance(names, list) and names and isinstance(names[0], str) else "",
        "model_type": config.get("model_type"),
        "saved_with": f"transformers {config.get('transformers_version') or ''}".strip(),
        "labels": list(config["id2label"].values()) if isinstance(config.get("id2label"), dict) else [],
    }
    return {name: fact for name, fact in facts.items() if fact}


def _code(config: dict[str, Any], weights: list[Path], pickles: list[Path]) -> str:
    if config.get("auto_map"):
        return "it brings Python code of its own (auto_map in config.json)"
    if pickles and not weights:
        return f"its weights are a pickle ({pickles[0].name}), which can run code when it is read"
    return ""


def _problems(path: Path, weights: list[Path], pickles: list[Path]) -> Iterator[str]:
    if not weights and not pickles:
        yield "its weights are missing: there is no .safetensors file beside config.json"
    for file in weights:
        why = _cut(file)
        if why:
            yield f"{file.name}: {why}"
    for index in path.glob("*.safetensors.index.json"):
        parts, why = _config(index)
        wanted = parts.get("weight_map") if not why else None
        for name in sorted({str(name) for name in wanted.values()}) if isinstance(wanted, dict) else ():
            if "/" in name or not (path / name).is_file():
                yield f'the file "{name[:100]}" with its weights is missing'


def _config(path: Path) -> tuple[dict[str, Any], str]:
    if path.stat().st_size > _MAX_JSON:
        return {}, f"{path.name} is larger than any model's"
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as exc:
        return {}, f"{path.name} is damaged or cut off: {str(exc)[:80]}"
    return (found, "") if isinstance(found, dict) else ({}, f"{path.name} is not an object")


def _cut(path: Path) -> str:
    """Why a file of safetensors is not whole; empty when it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(size - 8, _MAX_JSON):
            return "the safetensors file is damaged or cut off: its header is not whole"
        header = file.read(length)
    try:
        tensors = json.loads(header)
    except (ValueError, RecursionError) as exc:
        return f"the safetensors file is damaged: {str(exc)[:80]}"
    entries = tensors.values() if isinstance(tensors, dict) else ()
    offsets = [entry.get("data_offsets") for entry in entries if isinstance(entry, dict)]
    ends = [pair[1] for pair in offsets if isinstance(pair, list) and len(pair) == 2 and type(pair[1]) is int]
    wanted = 8 + length + max(ends, default=0)
    return f"the safetensors file is cut off: {wanted} bytes are wanted, and there are {size}" if wanted > size else ""
