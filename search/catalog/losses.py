"""The losses of `keras.losses`: a table of names, parameters, defaults and properties.

`tests/search/test_catalog.py` compares it with the installed Keras and checks the signs with numbers.
"""

from __future__ import annotations

from typing import Any

from search.catalog.entries import LossEntry, Parameter, boolean, integer, number

OWNED = {
    "name": "no `name` here: a term is named by the loss's own `name` field",
    "reduction": "no `reduction`: every loss is the mean over labelled rows, so that its weight does not depend on the label rate",
    "dtype": "no `dtype`: the service trains in the workload's own precision",
}
OWNED_LOGITS = {
    **OWNED,
    "from_logits": "no `from_logits` here: it is a field of the task, since metrics and penalties must know it too",
}

BINARY = "binary_accuracy"
CATEGORICAL = "categorical_accuracy"
SPARSE = "sparse_categorical_accuracy"


def _axis(description: str = "Axis of the classes.") -> Parameter:
    return integer("axis", -1, description)


def _smoothing() -> Parameter:
    return number("label_smoothing", 0.0, "Share of each target that is spread evenly over the classes.", least=0, most=1)


def _mask_axis() -> Parameter:
    text = "Axes that are summed over; null sums the whole batch into one number, [1, 2, 3] keeps one value an image."
    return Parameter("axis", None, "integer or array[integer]", text, nullable=True)


def _loss(name: str, keras_class: str, labels: Any, summary: str, *parameters: Parameter, **properties: Any) -> LossEntry:
    owned = OWNED_LOGITS if properties.get("knows_logits") else OWNED
    return LossEntry(
        name=name, keras_class=keras_class, labels=labels, summary=summary, parameters=parameters, owned=owned, **properties
    )


CLASSIFICATION = (
    _loss(
        "binary_crossentropy",
        "BinaryCrossentropy",
        "binary",
        "Cross-entropy of independent yes/no predictions, averaged over the last axis.",
        _smoothing(),
        _axis("Axis the mean is taken over."),
        knows_logits=True,
        accuracy=BINARY,
        columnwise=True,
    ),
    _loss(
        "binary_focal_crossentropy",
        "BinaryFocalCrossentropy",
        "binary",
        "Binary cross-entropy that counts well-classified examples less.",
        boolean("apply_class_balancing", False, "Weight class 1 by `alpha` and class 0 by 1 - `alpha`."),
        number("alpha", 0.25, "Weight of class 1 when classes are balanced.", least=0, most=1, searchable=True),
        number("gamma", 2.0, "How strongly easy examples are discounted; 0 is plain cross-entropy.", least=0, searchable=True),
        _smoothing(),
        _axis("Axis the mean is taken over."),
        knows_logits=True,
        accuracy=BINARY,
        columnwise=True,
    ),
    _loss(
        "categorical_crossentropy",
        "CategoricalCrossentropy",
        "one_hot",
        "Cross-entropy between class distributions given as rows of probabilities.",
        _smoothing(),
        _axis(),
        knows_logits=True,
        accuracy=CATEGORICAL,
    ),
    _loss(
        "categorical_focal_crossentropy",
        "CategoricalFocalCrossentropy",
        "one_hot",
        "Categorical cross-entropy that counts well-classified examples less.",
        Parameter("alpha", 0.25, "number or array[number]", "Weight of all classes, or of each class.", least=0, searchable=True),
        number("gamma", 2.0, "How strongly easy examples are discounted; 0 is plain cross-entropy.", least=0, searchable=True),
        _smoothing(),
        _axis(),
        knows_logits=True,
        accuracy=CATEGORICAL,
    ),
    _loss(
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        "integer",
        "Cross-entropy between a class index and predicted class probabilities.",
        integer("ignore_class", None, "Class index that counts as unlabelled, e.g. 255 for void pixels.", nullable=True),
        _axis(),
        knows_logits=True,
        accuracy=SPARSE,
    ),
    _loss(
        "categorical_generalized_cross_entropy",
        "CategoricalGeneralizedCrossEntropy",
        "integer",
        "(1 - p^q) / q of the true class's probability p: robust to wrong labels, between cross-entropy and absolute error.",
        number("q", 0.5, "Near 0 like cross-entropy, near 1 like absolute error.", above=0, below=1, searchable=True),
        accuracy=SPARSE,
    ),
    _loss(
        "kl_divergence",
        "KLDivergence",
        "one_hot",
        "Kullback-Leibler divergence of the predicted from the true distribution.",
        accuracy=CATEGORICAL,
    ),
    _loss(
        "hinge",
        "Hinge",
        "binary",
        "Margin loss max(0, 1 - y s) on a raw score s; targets 0/1 are read as -1/1.",
        takes_raw_output=True,
        accuracy=BINARY,
        columnwise=True,
    ),
    _loss(
        "squared_hinge",
        "SquaredHinge",
        "binary",
        "Square of the hinge loss on a raw score; targets 0/1 are read as -1/1.",
        takes_raw_output=True,
        accuracy=BINARY,
        columnwise=True,
    ),
    _loss(
        "categorical_hinge",
        "CategoricalHinge",
        "one_hot",
        "Margin between the true class's score and the greatest other score.",
        takes_raw_output=True,
        accuracy=CATEGORICAL,
    ),
)

REGRESSION = (
    _loss(
        "mean_squared_error",
        "MeanSquaredError",
        "continuous",
        "Mean of the squared differences over the last axis.",
        columnwise=True,
    ),
    _loss(
        "mean_absolute_error",
        "MeanAbsoluteError",
        "continuous",
        "Mean of the absolute differences over the last axis.",
        columnwise=True,
    ),
    _loss(
        "mean_absolute_percentage_error",
        "MeanAbsolutePercentageError",
        "continuous",
        "Mean absolute difference in percent of the target; very large where targets are near 0.",
        columnwise=True,
    ),
    _loss(
        "mean_squared_logarithmic_error",
        "MeanSquaredLogarithmicError",
        "continuous",
        "Mean squared difference of log(1 + value); negative values count as 0.",
        columnwise=True,
    ),
    _loss(
        "cosine_similarity",
        "CosineSimilarity",
        "continuous",
        "Negative cosine of the angle between target and prediction: -1 when they point the same way.",
        _axis("Axis of the vectors."),
        can_be_negative=True,
    ),
    _loss(
        "log_cosh",
        "LogCosh",
        "continuous",
        "Mean of log(cosh(difference)): squared when small, absolute when large.",
        columnwise=True,
    ),
    _loss(
        "huber",
        "Huber",
        "continuous",
        "Squared difference up to `delta`, linear beyond it.",
        number("delta", 1.0, "Difference at which the loss turns linear.", above=0, searchable=True),
        columnwise=True,
    ),
    _loss(
        "poisson",
        "Poisson",
        "continuous",
        "Negative Poisson log-likelihood of counts, without its constant: rate - count x log(rate).",
        can_be_negative=True,
        columnwise=True,
    ),
)

OTHERS = (
    _loss(
        "dice",
        "Dice",
        "binary",
        "1 - Dice overlap of a mask; over the whole batch unless `axis` leaves the batch axis out.",
        _mask_axis(),
        batch_statistic=True,
    ),
    _loss(
        "tversky",
        "Tversky",
        "binary",
        "1 - Tversky overlap of a mask, with its two kinds of error weighted apart; over the whole batch unless `axis` is given.",
        number(
            "alpha",
            0.5,
            "Coefficient of the first kind of error, as Keras has it: target x (1 - prediction).",
            least=0,
            searchable=True,
        ),
        number(
            "beta",
            0.5,
            "Coefficient of the second kind of error, as Keras has it: prediction x (1 - target).",
            least=0,
            searchable=True,
        ),
        _mask_axis(),
        batch_statistic=True,
    ),
    _loss(
        "circle",
        "Circle",
        "integer",
        "Metric learning on L2-normalised embeddings: pulls rows of one class together and pushes the others apart within a batch.",
        number("gamma", 80.0, "Scale of the similarities.", above=0, searchable=True),
        number("margin", 0.4, "Relaxation of the decision boundary.", least=0, most=1, searchable=True),
        boolean("remove_diagonal", True, "Leave out the pair of each row with itself."),
        takes_raw_output=True,
        batch_statistic=True,
    ),
    _loss(
        "ctc",
        "CTC",
        "sequence",
        "Connectionist temporal classification of unaligned sequences; reads logits [batch, length, classes], class 0 is blank.",
        takes_raw_output=True,
    ),
)

LOSSES = CLASSIFICATION + REGRESSION + OTHERS

LOSS_ALIASES = {
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
}
"""Short names that `keras.losses.get` knows, in lower case; it takes them in upper case too."""
