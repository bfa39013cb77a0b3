"""A SavedModel with two inputs, one of them text, and two signatures."""

import json
import pathlib

import tensorflow as tf


class Model(tf.Module):
    def __init__(self):
        self.weights = tf.Variable([[1.0, -1.0], [0.5, 2.0], [3.0, 0.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, "x"), tf.TensorSpec([None], tf.string, "word")])
    def serve(self, x, word):
        return {"probabilities": tf.nn.softmax(x @ self.weights), "shout": tf.strings.upper(word)}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, "x")])
    def raw(self, x):
        return {"logits": x @ self.weights}


model = Model()
tf.saved_model.save(model, "model/1", signatures={"serving_default": model.serve, "raw": model.raw})
x, words = [[1.0, 2.0, 3.0], [0.0, -1.0, 0.5], [4.0, 4.0, 4.0]], ["a", "é", "ccc"]
answer = model.serve(tf.constant(x), tf.constant(words))
expected = {"probabilities": answer["probabilities"].numpy().tolist(), "shout": ["A", "é", "CCC"]}
request = {"x": x, "word": words}
pathlib.Path("answer.json").write_text(json.dumps({"request": request, "expected": expected}))
pathlib.Path("raw.json").write_text(json.dumps((tf.constant(x) @ model.weights).numpy().tolist()))


class Writer(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "word")])
    def serve(self, word):
        tf.io.write_file("written", word[0])
        return {"word": word}


writer = Writer()
tf.saved_model.save(writer, "writer", signatures=writer.serve)
