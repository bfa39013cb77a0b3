"""Train boosted trees that tell from ten measurements how a patient's diabetes will go; LightGBM's text keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import lightgbm
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score

HERE = Path(__file__).parent


def main() -> None:
    patients = load_diabetes(as_frame=True, scaled=False)
    trees = lightgbm.LGBMRegressor(n_estimators=60, num_leaves=8, learning_rate=0.05, n_jobs=1, verbose=-1)
    print(f"R² of the progression, 5-fold: {cross_val_score(trees, patients.data, patients.target, cv=5).mean():.2f}")
    trees.fit(patients.data, patients.target).booster_.save_model(HERE / "progression.txt")
    asked = patients.data.iloc[[0, 1]]
    request = {name: [[value] for value in asked[name].tolist()] for name in asked}
    (HERE / "request.json").write_text(json.dumps(request) + "\n")


if __name__ == "__main__":
    main()
