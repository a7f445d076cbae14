"""A variational autoencoder: reconstruct the rows, and keep the code near a normal distribution by a penalty of one's own."""

import keras
import numpy as np

import steelyard

draw = np.random.default_rng(0)
code = draw.normal(size=(500, 2))
x = np.tanh(code @ draw.normal(size=(2, 10)) + 0.1 * draw.normal(size=(500, 10))).astype("float32")


class Sampled(keras.layers.Layer):
    """Draw a code from its mean and log variance."""

    def __init__(self, **more):
        super().__init__(**more)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, mean, log_variance):
        noise = keras.random.normal(keras.ops.shape(mean), seed=self.seed_generator)
        return mean + keras.ops.exp(0.5 * log_variance) * noise


def kl(batch):
    """Kullback-Leibler divergence from the standard normal distribution, one value a row."""
    mean, log_variance = batch.outputs["mean"], batch.outputs["log_variance"]
    return -0.5 * keras.ops.sum(1 + log_variance - mean**2 - keras.ops.exp(log_variance), axis=-1)


inputs = keras.Input((10,))
hidden = keras.layers.Dense(24, activation="relu")(inputs)
mean, log_variance = keras.layers.Dense(2)(hidden), keras.layers.Dense(2)(hidden)
decoded = keras.layers.Dense(24, activation="relu")(Sampled()(mean, log_variance))
model = keras.Model(inputs, {"reconstruction": keras.layers.Dense(10)(decoded), "mean": mean, "log_variance": log_variance})
model.compile("adam", loss={"reconstruction": "mse"})

result = steelyard.search(
    model,
    x,
    {"reconstruction": x},
    penalties={"kl": kl},
    weight_ranges={"kl": (1e-4, 1.0)},
    objective={
        "aggregate": "mean",
        "metrics": [{"metric": "reconstruction.mean_squared_error"}, {"metric": "kl", "utility": 0.01}],
    },
    test_split=0.2,
    epochs=4,
    trials=6,
    confirmation={"top": 1, "seeds": 3},
)
print(result.verdict)
print(result.recommended, result.pick("tuned").penalty_weights)
