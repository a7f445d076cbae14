"""Mistakes that strangers make in a workload: what is changed in a sound one, what is said of it, and the line that is named."""

from __future__ import annotations

SOUND = """\
import keras
import numpy as np
from pydantic import BaseModel

X = np.linspace(-1, 1, 40).reshape(20, 2)
KIND = np.arange(20) % 3
SIZE = X[:, :1]


def model_of(outputs):
    inputs = keras.Input((2,))
    return keras.Model(inputs, outputs(inputs))


def build_model():
    return model_of(lambda x: {"kind": keras.layers.Dense(3, "softmax")(x), "size": keras.layers.Dense(1)(x)})


def load_data():
    part = X, {"kind": KIND, "size": SIZE}
    return {"train": part, "validation": part, "test": part}
"""

BUILD, LOAD = "def build_model", "def load_data"
RETURNED = 'return model_of(lambda x: {"kind": keras.layers.Dense(3, "softmax")(x), "size": keras.layers.Dense(1)(x)})'
PART = 'part = X, {"kind": KIND, "size": SIZE}'
ALL = 'return {"train": part, "validation": part, "test": part}'

OWN_STEP = """
class Own(keras.Model):
    def train_step(self, data):
        return {}


def build_model():
    inputs = keras.Input((2,))
    return Own(inputs, {"kind": keras.layers.Dense(3, "softmax")(inputs), "size": keras.layers.Dense(1)(inputs)})
"""

SUBCLASSED = """
class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.one, self.two = keras.layers.Dense(3), keras.layers.Dense(1)

    def call(self, x):
        return self.one(x), self.two(x)


def build_model():
    return Own()
"""

MISTAKES = {
    "a syntax error": ("KIND = ", "KIND = = ", "SyntaxError: invalid syntax", "KIND = ="),
    "an import that fails": ("import numpy as np", "import numpyy as np", "No module named 'numpyy'", "import numpyy"),
    "a name that is not there": ("SIZE = X", "SIZE = Z", "NameError: name 'Z' is not defined", "SIZE = Z"),
    "no build_model": (
        BUILD,
        "def make_model",
        "lacks build_model(): a workload needs build_model() and load_data()",
        "import keras",
    ),
    "no load_data": (LOAD, "def data", "lacks load_data(): a workload needs build_model() and load_data()", "import keras"),
    "build_model returns None": (
        "return model_of(lambda",
        "model_of(lambda",
        "should return a new keras.Model, got a NoneType",
        BUILD,
    ),
    "build_model raises": (RETURNED, "return 1 / 0", "build_model() failed: ZeroDivisionError: division by zero", "return 1 / 0"),
    "outputs without names": (
        RETURNED,
        f"pass\n{SUBCLASSED}",
        "should return a dict of outputs by name",
        "def build_model():\n    return Own",
    ),
    "an own train_step": (RETURNED, f"pass\n{OWN_STEP}", "the model has its own train_step()", "def build_model():\n    inputs"),
    "one model for all": (
        BUILD,
        "@__import__('functools').cache\ndef build_model",
        "build_model() returns the same model again",
        "@__import__",
    ),
    "nothing to train": ("(inputs))", "(inputs), trainable=False)", "the model has no trainable weights", BUILD),
    "load_data raises": (PART, "part = open('/nowhere/rows.csv')", "load_data() failed: FileNotFoundError", "part = open"),
    "load_data returns a tuple": (ALL, "return part, part, part, part", "load_data() should return Data(train=(x, y)", LOAD),
    "no validation": (ALL, 'return {"train": part, "test": part}', "the data of load_data() lacks 'validation'", LOAD),
    "a misspelled split": (ALL, 'return {"train": part, "validation": part, "tset": part}', "has the unknown part 'tset'", LOAD),
    "four parts of a split": (
        PART,
        "part = X, KIND, SIZE, None",
        "train should be (x, y) or (x, y, sample_weight), got a tuple of 4",
        LOAD,
    ),
    "rows of different number": (
        '"size": SIZE',
        '"size": SIZE[1:]',
        "train.x has 20, train.y['kind'] has 20, train.y['size'] has 19",
        LOAD,
    ),
    "an empty split": (
        ALL,
        'return {"train": part, "validation": (X[:0], {"kind": KIND[:0], "size": SIZE[:0]})}',
        "validation has no rows",
        LOAD,
    ),
    "object dtype": (
        '"size": SIZE',
        '"size": SIZE.astype(object)',
        "train.y['size'] should be an array of numbers, got dtype object",
        LOAD,
    ),
    "strings as labels": ('"kind": KIND', '"kind": KIND.astype(str)', "(encode text as numbers in load_data())", LOAD),
    "labels that are not a number": ('"size": SIZE', '"size": SIZE * np.nan', "train.y['size'] has NaN in 20 of 20 rows", LOAD),
    "inputs that are not finite": ("part = X,", "part = X * np.inf,", "train.x has", LOAD),
    "a generator": (PART, 'part = (row for row in X), {"kind": KIND}', "train.x should be arrays, got a generator", LOAD),
    "targets of other names": ('"kind": KIND', '"kinds": KIND', "no target is called kind, as the output is", LOAD),
    "a list of targets": (PART, "part = X, [KIND, SIZE]", "order alone mixes outputs up", LOAD),
    "labels out of range": ("KIND = np.arange(20) % 3", "KIND = np.arange(20) % 5", "train has the class id", LOAD),
    "negative weights of rows": (
        PART,
        'part = X, {"kind": KIND, "size": SIZE}, -np.ones(20)',
        "train.sample_weight has negative numbers",
        LOAD,
    ),
    "splits of other shapes": (
        ALL,
        'return {"train": part, "validation": (X[:, :1], part[1])}',
        "validation and train differ in their inputs",
        LOAD,
    ),
    "Options that are no model": (
        LOAD,
        "class Options:\n    pass\n\n\ndef load_data",
        "Options should be a pydantic BaseModel",
        "import keras",
    ),
    "terms that are no dict": (
        LOAD,
        "losses = [1]\n\n\ndef load_data",
        "losses should be a dict of functions by name",
        "import keras",
    ),
}
