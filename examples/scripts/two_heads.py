"""Two heads of a compiled model: a topic and a sentiment of each row, as `fit` takes them."""

import keras
import numpy as np

import steelyard

draw = np.random.default_rng(0)
x = draw.normal(size=(600, 8)).astype("float32")
topic = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
sentiment = (x[:, 2] + 0.5 * draw.normal(size=600) > 0).astype("float32")

inputs = keras.Input((8,))
hidden = keras.layers.Dense(16, activation="relu")(inputs)
heads = {
    "topic": keras.layers.Dense(3, activation="softmax")(hidden),
    "sentiment": keras.layers.Dense(1, activation="sigmoid")(hidden),
}
model = keras.Model(inputs, heads)
model.compile(
    "adam",
    loss={"topic": "sparse_categorical_crossentropy", "sentiment": "binary_crossentropy"},
    loss_weights={"topic": 1.0, "sentiment": 0.5},
    metrics={"topic": ["accuracy"], "sentiment": ["accuracy"]},
)

result = steelyard.search(
    model,
    x,
    {"topic": topic, "sentiment": sentiment},
    test_split=0.2,
    epochs=4,
    trials=6,
    confirmation={"top": 1, "seeds": 3},
)
print(result.verdict)
print(result.recommended, result.pick("tuned").loss_weights)
