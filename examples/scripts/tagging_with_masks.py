"""Tag each step of padded sequences, and classify the whole sequence: the embedding's mask leaves padding out."""

import keras
import numpy as np

import steelyard

draw = np.random.default_rng(0)
length = draw.integers(3, 9, size=400)
tokens = np.where(np.arange(8) < length[:, None], draw.integers(1, 20, size=(400, 8)), 0)
tags = np.where(tokens > 0, tokens % 3, 0)
long = (length > 5).astype("float32")

inputs = keras.Input((8,), dtype="int32")
embedded = keras.layers.Embedding(20, 12, mask_zero=True)(inputs)
steps = keras.layers.GRU(16, return_sequences=True)(embedded)
whole = keras.layers.GRU(8)(steps)
heads = {"tags": keras.layers.Dense(3, activation="softmax")(steps), "long": keras.layers.Dense(1, activation="sigmoid")(whole)}
model = keras.Model(inputs, heads)
model.compile(
    "adam",
    loss={"tags": "sparse_categorical_crossentropy", "long": "binary_crossentropy"},
    metrics={"tags": ["accuracy"], "long": ["accuracy"]},
)

result = steelyard.search(
    model, tokens, {"tags": tags, "long": long}, test_split=0.2, epochs=2, trials=4, confirmation={"top": 1, "seeds": 2}
)
print(result.verdict)
print(result.recommended, result.pick("tuned").loss_weights)
