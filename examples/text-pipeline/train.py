"""Learn which data set a text speaks of, from the descriptions that scikit-learn brings with its data sets.

The model is a logistic regression over counted words, written as what it is to a network: a sum of embeddings.
"""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "steps"))
from text import LENGTH, WORD  # noqa: E402

TOPICS = {
    "flowers": ["iris"], "wine": ["wine_data"], "handwriting": ["digits"], "cancer": ["breast_cancer"],
    "faces": ["olivetti_faces", "lfw"], "news": ["twenty_newsgroups", "rcv1"],
    "forests": ["covtype"], "houses": ["california_housing"], "attacks": ["kddcup99"],
}  # fmt: skip


def main() -> None:
    texts, topics = [], []
    for topic, names in TOPICS.items():
        for name in names:
            text = files("sklearn.datasets.descr").joinpath(f"{name}.rst").read_text(encoding="utf-8")
            sentences = [s for s in re.split(r"\.\s|\n\s*\n", text) if len(WORD.findall(s.lower())) > 3]
            pairs = [" ".join(sentences[start : start + 2]) for start in range(0, len(sentences), 2)]
            texts += pairs
            topics += [topic] * len(pairs)
    pipeline = make_pipeline(
        CountVectorizer(token_pattern=WORD.pattern, stop_words="english"),
        LogisticRegression(C=100, max_iter=3000, class_weight="balanced", fit_intercept=False),
    )
    print(f"{len(texts)} texts, accuracy, 5-fold: {cross_val_score(pipeline, texts, topics, cv=5).mean():.2f}")
    counts, model = pipeline.fit(texts, topics)[:1], pipeline[-1]
    words = counts.get_feature_names_out()
    (HERE / "vocabulary.txt").write_text("\n".join(words) + "\n")
    table = np.vstack([np.zeros(len(model.classes_)), model.coef_.T]).astype(np.float32)
    (HERE / "topics.onnx").write_bytes(embedding_bag(table))
    print("topics, in the order of the scores:", ", ".join(model.classes_))


def embedding_bag(table: np.ndarray) -> bytes:
    """ids → the sum of their rows in the table → probabilities."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "words"], ["logits"], keepdims=0),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "topics",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", LENGTH])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", table.shape[1]])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1], dtype=np.int64), "words")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


if __name__ == "__main__":
    main()
