"""A trunk that is frozen with its weights, and two heads that begin anew in each training."""

import keras
import numpy as np

import steelyard

draw = np.random.default_rng(0)
x = draw.normal(2.7, 1.0, size=(500, 6)).astype("float32")
size = (x.sum(axis=1, keepdims=True) - 16).astype("float32")
kind = (x[:, 0] > 2.7).astype(int)

normalization = keras.layers.Normalization()
normalization.adapt(x)
trunk = keras.Sequential([keras.Input((6,)), keras.layers.Dense(24, activation="relu")], name="trunk")
trunk.trainable = False

inputs = keras.Input((6,))
features = trunk(normalization(inputs))
heads = {"size": keras.layers.Dense(1)(features), "kind": keras.layers.Dense(2, activation="softmax")(features)}
model = keras.Model(inputs, heads)
model.compile(
    keras.optimizers.Adam(0.01),
    loss={"size": "mse", "kind": "sparse_categorical_crossentropy"},
    metrics={"size": ["mae"], "kind": ["accuracy"]},
)

result = steelyard.search(
    model,
    x,
    {"size": size, "kind": kind},
    initial_weights="fresh",  # the trunk is frozen and stays; the heads begin anew
    test_split=0.2,
    epochs=4,
    trials=6,
    confirmation={"top": 1, "seeds": 3},
)
print(result.verdict)
print(result.recommended, result.pick("tuned").loss_weights)
