"""The same small network as .keras and .h5, one with a Lambda layer, one with two inputs."""

import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np

keras.utils.set_random_seed(1)
image = keras.Input((8, 8, 1), name="image")
layer = keras.layers.Conv2D(3, 3, activation="relu")(image)
layer = keras.layers.Flatten()(keras.layers.MaxPooling2D()(keras.layers.BatchNormalization()(layer)))
model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="class")(layer))
model.save("model.keras")
model.save("model.h5")
x = np.random.default_rng(0).random((3, 8, 8, 1), np.float32)
answer = {"request": {"image": x.tolist()}, "expected": {"class": np.asarray(model(x)).tolist()}}
pathlib.Path("answer.json").write_text(json.dumps(answer))

age, word = keras.Input((1,), name="age"), keras.Input((2,), name="word", dtype="int32")
both = keras.layers.Concatenate()([age, keras.layers.Flatten()(keras.layers.Embedding(5, 2)(word))])
two = keras.Model({"age": age, "word": word}, {"sum": keras.layers.Dense(1)(both), "copy": age * 2})
two.save("two.keras")
request = {"age": [[1.5], [2.0]], "word": [[1, 2], [3, 4]]}
given = {"age": np.array(request["age"], "f4"), "word": np.array(request["word"], "i4")}
expected = {name: np.asarray(value).tolist() for name, value in two(given).items()}
pathlib.Path("two.json").write_text(json.dumps({"request": request, "expected": expected}))

keras.Sequential([keras.Input((5,)), keras.layers.Lambda(lambda x: x * 2)]).save("lambda.keras")
