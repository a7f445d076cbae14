"""A recommender: every row has a click, few have a rating; rare clicks count more."""

import keras
import numpy as np

import steelyard

draw = np.random.default_rng(0)
user, item = draw.integers(0, 30, size=(2, 800))
taste = draw.normal(size=(30, 3)), draw.normal(size=(30, 3))
liking = (taste[0][user] * taste[1][item]).sum(axis=1)
clicked = (liking + draw.normal(size=800) > 1.5).astype("float32")
rating = np.where(draw.random(800) < 0.3, 3 + liking, np.nan).astype("float32")

users, items = keras.Input((), name="user", dtype="int32"), keras.Input((), name="item", dtype="int32")
pair = keras.layers.Concatenate()([keras.layers.Embedding(30, 6)(users), keras.layers.Embedding(30, 6)(items)])
hidden = keras.layers.Dense(16, activation="relu")(pair)
heads = {"click": keras.layers.Dense(1, activation="sigmoid")(hidden), "rating": keras.layers.Dense(1)(hidden)}
model = keras.Model({"user": users, "item": items}, heads)
model.compile("adam", loss={"click": "binary_crossentropy", "rating": "mse"}, metrics={"click": ["AUC"], "rating": ["mae"]})

result = steelyard.search(
    model,
    {"user": user, "item": item},
    {"click": clicked, "rating": rating},
    missing={"rating": "nan"},
    class_weight={"click": "balanced"},
    test_split=0.2,
    epochs=4,
    trials=6,
    confirmation={"top": 1, "seeds": 3},
)
print(result.verdict)
print(result.recommended, result.pick("tuned").loss_weights)
