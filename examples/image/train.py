"""Mean and spread of three measurements of wines, per cultivar; they become app/model.json."""

from __future__ import annotations

import json
from pathlib import Path

from sklearn.datasets import load_wine

FEATURES = ("alcohol", "flavanoids", "proline")


def main() -> None:
    wines = load_wine()
    measured = wines.data[:, [wines.feature_names.index(name) for name in FEATURES]]
    kinds = {str(name): measured[wines.target == number] for number, name in enumerate(wines.target_names)}
    saved = {
        "features": FEATURES,
        "spread": measured.std(axis=0).round(4).tolist(),
        "means": {name: rows.mean(axis=0).round(4).tolist() for name, rows in kinds.items()},
    }
    (Path(__file__).parent / "app" / "model.json").write_text(json.dumps(saved, indent=2) + "\n")


if __name__ == "__main__":
    main()
