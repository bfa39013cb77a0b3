"""A classifier with a column of pandas categories, and rows that lack a value."""

import json
import pathlib

import numpy as np
import pandas
import xgboost

frame = pandas.DataFrame({"colour": pandas.Categorical(["red", "green", "blue", "red"] * 25), "size": np.arange(100.0)})
target = ((frame["colour"] == "red") ^ (frame["size"] > 50)).astype(int)
model = xgboost.XGBClassifier(n_estimators=4, enable_categorical=True, n_jobs=1).fit(frame, target)
model.save_model("categories.json")
asked = frame.iloc[[0, 1, 2, 99]].copy()
asked.loc[asked.index[1], "size"] = np.nan
request = {"colour": [[word] for word in asked["colour"]], "size": [[0.0], [None], [2.0], [99.0]]}
expected = {"label": model.predict(asked).tolist(), "probabilities": model.predict_proba(asked).tolist()}
pathlib.Path("categories_answer.json").write_text(json.dumps({"request": request, "expected": expected}))
