"""A classifier of flowers, a regressor, one with categories of pandas, and a pickle."""

import json
import pathlib
import pickle

import lightgbm
import numpy as np
import pandas
from sklearn.datasets import load_iris

x, y = load_iris(return_X_y=True)
options = {"n_estimators": 4, "num_leaves": 4, "verbose": -1, "n_jobs": 1}
model = lightgbm.LGBMClassifier(**options).fit(x, y)
model.booster_.save_model("model.txt")
named = lightgbm.LGBMClassifier(**options).fit(x, np.array(["setosa", "versicolor", "virginica"])[y])
pathlib.Path("model.pkl").write_bytes(pickle.dumps(named))
rows = x[[0, 60, 120]]
expected = {"label": model.predict(rows).tolist(), "probabilities": model.predict_proba(rows).tolist()}
pathlib.Path("answer.json").write_text(json.dumps({"request": {"input": rows.tolist()}, "expected": expected}))
words = {"label": named.predict(rows).tolist(), "probabilities": named.predict_proba(rows).tolist()}
pathlib.Path("named.json").write_text(json.dumps({"request": {"input": rows.tolist()}, "expected": words}))

frame = pandas.DataFrame({"colour": pandas.Categorical(["red", "green", "blue", "red"] * 25), "size": np.arange(100.0)})
target = frame["size"] + 50 * (frame["colour"] == "red")
boosted = lightgbm.LGBMRegressor(**options, min_child_samples=2).fit(frame, target)
boosted.booster_.save_model("categories.txt")
asked = frame.iloc[[0, 1, 2, 99]]
request = {"colour": [[word] for word in asked["colour"]], "size": [[size] for size in asked["size"]]}
answer = {"request": request, "expected": {"prediction": boosted.predict(asked).tolist()}}
pathlib.Path("categories.json").write_text(json.dumps(answer))
