"""A physics-informed network: a few measured points, and the residual of u'' = -sin(x) on points of its own."""

import keras
import numpy as np

import steelyard

x = np.linspace(0.0, 6.0, 24, dtype="float32")[:, None]
u = np.sin(x)
order = np.random.default_rng(0).permutation(24)
x, u = x[order], u[order]
inside = np.linspace(0.0, 6.0, 64, dtype="float32")[:, None]


def residual(batch):
    """The mean square of u'' + sin(x) over the points inside."""
    points = batch.extra["inside"]

    def slope(at):
        return batch.gradient(lambda place: batch.call(place)["u"], at)

    return keras.ops.mean((batch.gradient(slope, points) + keras.ops.sin(points)) ** 2)


inputs = keras.Input((1,))
hidden = keras.layers.Dense(16, activation="tanh")(inputs)
model = keras.Model(inputs, {"u": keras.layers.Dense(1)(keras.layers.Dense(16, activation="tanh")(hidden))})
model.compile(keras.optimizers.Adam(0.01), loss={"u": "mse"}, metrics={"u": ["mae"]})

result = steelyard.search(
    model,
    x,
    {"u": u},
    extra={"inside": inside},
    penalties={"residual": residual},
    epochs=10,
    trials=6,
    confirmation={"top": 1, "seeds": 3},
)
print(result.verdict)
print(result.recommended, result.pick("tuned").penalty_weights)
