"""A function that returns the model, as in a notebook's cell; outputs come as a list, with the names that Keras gives them."""

import keras
import numpy as np

import steelyard

draw = np.random.default_rng(0)
x = draw.normal(size=(500, 6)).astype("float32")
first = (x[:, :1] * 2 + 0.1 * draw.normal(size=(500, 1))).astype("float32")
second = (x[:, 1:2] > 0).astype("float32")


def build_model():
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(16, activation="relu")(inputs)
    return keras.Model(inputs, [keras.layers.Dense(1)(hidden), keras.layers.Dense(1, activation="sigmoid")(hidden)])


result = steelyard.search(
    build_model,
    x,
    [first, second],
    loss=["mse", "binary_crossentropy"],
    metrics=[["mae"], ["accuracy"]],
    optimizer="adam",
    test_split=0.2,
    epochs=4,
    trials=6,
    confirmation={"top": 1, "seeds": 3},
)
print(result.verdict)
print(result.recommended, result.pick("tuned").loss_weights)
