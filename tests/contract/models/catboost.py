"""A classifier of flowers in both formats, and a regressor with a column of categories."""

import json
import pathlib

from catboost import CatBoostClassifier, CatBoostRegressor
from sklearn.datasets import load_iris

x, y = load_iris(return_X_y=True)
options = {"iterations": 5, "depth": 2, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
names = ["setosa", "versicolor", "virginica"]
model = CatBoostClassifier(**options).fit(x, [names[kind] for kind in y])
model.save_model("model.cbm")
model.save_model("model.json", format="json")
rows = x[[0, 60, 120]]
expected = {"label": model.predict(rows)[:, 0].tolist(), "probabilities": model.predict_proba(rows).tolist()}
pathlib.Path("answer.json").write_text(json.dumps({"request": {"input": rows.tolist()}, "expected": expected}))

table = [["red", 1.0], ["green", 2.0], ["blue", 3.0], ["red", 4.0]] * 10
mixed = CatBoostRegressor(**options, cat_features=[0]).fit(table, [1.0, 2.0, 3.0, 9.0] * 10)
mixed.save_model("categories.cbm")
request = {"0": [[row[0]] for row in table[:4]], "1": [[row[1]] for row in table[:4]]}
answer = {"request": request, "expected": {"prediction": mixed.predict(table[:4]).tolist()}}
pathlib.Path("categories.json").write_text(json.dumps(answer))
