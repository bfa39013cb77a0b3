"""Keep 600 handwritten digits as the model: new ones are compared with them (see processor/digits.py)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


def main() -> None:
    images, labels = load_digits(return_X_y=True)
    kept, others, kept_labels, other_labels = train_test_split(
        images, labels, train_size=600, stratify=labels, random_state=0
    )
    np.savez_compressed(HERE / "digits.npz", images=kept.astype(np.uint8), labels=kept_labels.astype(np.uint8))
    for name, rows in (("request.json", slice(0, 2)), ("warm_up.json", slice(2, 3))):
        text = json.dumps({"pixels": others[rows].astype(int).tolist()})
        (HERE / name).write_text(text + "\n")
    print("request.json shows", other_labels[:2].tolist())


if __name__ == "__main__":
    main()
