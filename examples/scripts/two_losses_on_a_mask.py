"""A small U-Net with dice and cross-entropy on its mask, and the share of the object beside it."""

import keras
import numpy as np

import steelyard

draw = np.random.default_rng(0)
places = draw.integers(2, 10, size=(200, 2))
rows, columns = np.mgrid[0:12, 0:12]
mask = ((rows - places[:, :1, None]) ** 2 + (columns - places[:, 1:, None]) ** 2 < 6).astype("float32")[..., None]
image = mask + 0.5 * draw.normal(size=mask.shape).astype("float32")
share = mask.mean(axis=(1, 2))

inputs = keras.Input((12, 12, 1))
down = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
deep = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(keras.layers.MaxPooling2D()(down))
up = keras.layers.Concatenate()([keras.layers.UpSampling2D()(deep), down])
heads = {
    "mask": keras.layers.Conv2D(1, 1, activation="sigmoid")(up),
    "share": keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(deep)),
}
model = keras.Model(inputs, heads)
model.compile(
    "adam",
    loss={"mask": ["binary_crossentropy", keras.losses.Dice(axis=[1, 2, 3])], "share": "mse"},
    loss_weights={"mask": [1.0, 0.5], "share": 1.0},
    metrics={"mask": [keras.metrics.BinaryIoU(target_class_ids=[1])], "share": ["mae"]},
)

result = steelyard.search(
    model, image, {"mask": mask, "share": share}, test_split=0.2, epochs=2, trials=4, confirmation={"top": 1, "seeds": 2}
)
print(result.verdict)
print(result.recommended, result.pick("tuned").loss_weights)
