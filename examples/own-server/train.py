"""Fit diabetes progression from age, sex, body-mass index and blood pressure; the coefficients become model.json."""

from __future__ import annotations

import json
from pathlib import Path

from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

FEATURES = ("age", "sex", "bmi", "bp")


def main() -> None:
    data = load_diabetes(scaled=False)
    columns = [data.feature_names.index(name) for name in FEATURES]
    model = LinearRegression().fit(data.data[:, columns], data.target)
    print(f"R²: {model.score(data.data[:, columns], data.target):.2f}")
    weights = {name: round(float(weight), 6) for name, weight in zip(FEATURES, model.coef_, strict=True)}
    saved = {"intercept": round(float(model.intercept_), 6), "weights": weights}
    (Path(__file__).parent / "app" / "model.json").write_text(json.dumps(saved, indent=2) + "\n")


if __name__ == "__main__":
    main()
