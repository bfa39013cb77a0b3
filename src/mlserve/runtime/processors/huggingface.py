"""Hugging Face text models from a folder: classification and embeddings, tokenizer included."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.huggingface_folders import TASKS, config_of, length_of, pooling_of, refuse_code, task_of
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor

REQUIREMENTS: tuple[str, ...] = ("torch>=2.1", "transformers>=4.40")
SUFFIXES: tuple[str, ...] = ()
MARKERS: tuple[str, ...] = ("config.json",)
ALIASES: tuple[str, ...] = (r"hugging_?face(_\w+)?", r"transformers", r"hf")


def create(place: Place) -> HuggingfaceProcessor:
    return HuggingfaceProcessor(place)


class HuggingfaceProcessor:
    """Takes ``text``. Gives ``label``, ``score`` and ``scores`` of each class, or ``embedding``."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = Lock()
        self._torch: Any = None
        self._tokenizer: Any = None
        self._model: Any = None
        self._device, self._task, self._several = "cpu", "", False
        self._labels: tuple[str, ...] = ()
        self._pooling, self._normalize = "mean", False
        self._length: int | None = None
        self._metadata = Metadata()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        own = config_of(path)
        remote = bool(config.get("trust_remote_code"))
        if self._place.require_safe:
            refuse_code(path, own, remote)
        self._task = task_of(str(config.get("task") or ""), own, path)
        import torch
        import transformers

        self._torch = torch
        torch.set_num_threads(self._place.threads)
        self._device = _device(torch, self._place)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        kind = transformers.AutoModelForSequenceClassification if self._task == TASKS[0] else transformers.AutoModel
        options = {"local_files_only": True, "trust_remote_code": remote}
        weights = {"use_safetensors": True} if self._place.require_safe else {}  # whatever else lies beside them
        self._tokenizer, model = _read(transformers, kind, path, options, weights)
        self._model = model.to(self._device).eval()
        self._length = length_of(self._tokenizer, own, config)
        self._pooling, self._normalize = pooling_of(path, config)
        self._describe(own, transformers.__version__, config)

    def metadata(self) -> Metadata:
        return self._metadata

    def predict(self, inputs: Arrays) -> Arrays:
        torch = self._torch
        texts = [value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in inputs["text"]]
        if not texts:
            return _nothing(self._metadata)
        with self._lock:  # a fast tokenizer may not be used by two threads at once
            tokens = self._tokenizer(
                texts, padding=True, truncation=self._length is not None, max_length=self._length, return_tensors="pt"
            )
        tokens = tokens.to(self._device)
        with torch.inference_mode():
            answer = self._model(**tokens)
            if self._task == "embeddings":
                return {"embedding": self._pooled(answer, tokens["attention_mask"]).float().cpu().numpy()}
            return self._classified(answer.logits.float())

    def _classified(self, logits: Any) -> Arrays:
        import numpy as np

        if len(self._labels) == 1:  # a regression
            return {"score": logits[:, 0].cpu().numpy()}
        scores = (logits.sigmoid() if self._several else logits.softmax(-1)).cpu().numpy()
        best = scores.argmax(axis=1)
        label = np.array(self._labels, dtype=np.object_)[best]
        return {"label": label, "score": scores[np.arange(len(best)), best], "scores": scores}

    def _pooled(self, answer: Any, mask: Any) -> Any:
        hidden = answer.last_hidden_state
        if self._pooling == "cls":
            pooled = hidden[:, 0]
        else:
            weights = mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return self._torch.nn.functional.normalize(pooled, dim=-1) if self._normalize else pooled

    def _describe(self, own: dict[str, Any], version: str, config: dict[str, Any]) -> None:
        settings = self._model.config
        if self._task == "embeddings":
            outputs: tuple[Tensor, ...] = (Tensor("embedding", "FP32", (-1, int(settings.hidden_size))),)
        else:
            self._labels = tuple(str(settings.id2label[place]) for place in range(settings.num_labels))
            self._several = settings.problem_type == "multi_label_classification"
            scores = Tensor("scores", "FP32", (-1, len(self._labels)), labels=self._labels)
            outputs = (Tensor("label", "BYTES", (-1,)), Tensor("score", "FP32", (-1,)), scores)
            outputs = outputs[1:2] if len(self._labels) == 1 else outputs
        self._metadata = Metadata(
            inputs=(Tensor("text", "BYTES", (-1,)),),
            outputs=outputs,
            platform="huggingface",
            rows=True,
            facts={
                "threads": {"torch": self._place.threads},
                "versions": {"transformers": version, "torch": self._torch.__version__},
                "device": "cpu" if self._device == "cpu" else f"cuda ({self._torch.cuda.get_device_name()})",
                "task": self._task,
                "max_tokens": self._length,
                "unsafe_file": bool(config.get("trust_remote_code")),
            },
        )


def _device(torch: Any, place: Place) -> str:
    if place.gpu and not torch.cuda.is_available():
        raise StartFailure(
            "gpu-unavailable", f"PyTorch {torch.__version__} sees no GPU here", "check the driver with nvidia-smi"
        )
    return "cuda" if place.gpu else "cpu"


def _read(
    transformers: Any, kind: Any, path: Path, options: dict[str, Any], weights: dict[str, Any]
) -> tuple[Any, Any]:
    try:
        return (
            transformers.AutoTokenizer.from_pretrained(str(path), **options),
            kind.from_pretrained(str(path), **options, **weights),
        )
    except Exception as exc:
        text = " ".join(str(exc).split())[:300]
        if "trust_remote_code" in text:
            raise StartFailure(
                "unreadable-model",
                f"{path.name} brings Python code of its own: {text[:200]}",
                'if you trust it: "model_config": {"trust_remote_code": true}',
            ) from exc
        if isinstance(exc, ModuleNotFoundError | MemoryError):
            raise  # explained by their kind
        raise StartFailure(
            "corrupt-model",
            f"{path.name} is not a whole Hugging Face model: {type(exc).__name__}: {text}",
            "save model and tokenizer into one folder with save_pretrained(folder), or download it again",
        ) from exc


def _nothing(metadata: Metadata) -> Arrays:
    from mlserve.runtime.frameworks.tabular import zeros

    return {tensor.name: zeros(tensor, 0).reshape((0, *(tensor.shape or ())[1:])) for tensor in metadata.outputs}
