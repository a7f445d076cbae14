"""The metrics of `keras.metrics`: a table of names, parameters, defaults, directions and ranges.

Left out: what measures nothing by itself (`Mean`, `Sum`, `Metric`, `MeanMetricWrapper`) and the class `Accuracy`, which compares
predictions with targets for equality. `tests/search/test_catalog.py` compares the table with the installed Keras.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from search.catalog.entries import FROM_OUTPUT, REQUIRED, MetricEntry, Parameter, Rule, boolean, choice, integer, number

OWNED = {
    "name": "no `name` here: a metric is named by its own `name` field",
    "dtype": "no `dtype`: the service chooses the precision of its counts",
}
OWNED_LOGITS = {**OWNED, "from_logits": "no `from_logits` here: it is a field of the task, and metrics get probabilities"}
FORM = "the service brings targets and predictions into the form that the metric needs"
OWNED_FORM = {**OWNED, "sparse_y_true": f"no `sparse_y_true`: {FORM}", "sparse_y_pred": f"no `sparse_y_pred`: {FORM}"}

SHARE = (0.0, 1.0)
COUNT = (0.0, None)
MAX_CLASSES = 10_000
MAX_THRESHOLDS = 100_000


def _axis(description: str) -> Parameter:
    return integer("axis", -1, description)


def _threshold(name: str, default: float | None) -> Parameter:
    text = "Probability above which a prediction counts as positive; one number, since a metric is one number."
    return number(name, default, text, nullable=default is None, least=0, most=1)


def _class_id() -> Parameter:
    return integer("class_id", None, "Look at this class alone.", nullable=True, least=0)


def _smoothing() -> Parameter:
    return number("label_smoothing", 0, "Share of each target that is spread evenly over the classes.", least=0, most=1)


def _num_thresholds(least: int) -> Parameter:
    return integer("num_thresholds", 200, "How many thresholds stand for the curve.", least=least, most=MAX_THRESHOLDS)


def _average() -> Parameter:
    # Keras's null gives one number a class, which is no metric here: `resolve_metric` puts "macro" where nothing is said.
    text = "Over classes: macro (plain mean), weighted (by frequency), micro (from the total counts)."
    return Parameter("average", None, "string", text, choices=("micro", "macro", "weighted"))


def _num_classes() -> Parameter:
    return integer("num_classes", FROM_OUTPUT, "Number of classes; the output's width unless given.", least=2, most=MAX_CLASSES)


def _target_classes(default: Any = REQUIRED) -> Parameter:
    return Parameter(
        "target_class_ids", default, "array[integer]", "Classes whose overlaps are averaged.", least=0, most=MAX_CLASSES - 1
    )


def _ignore_class() -> Parameter:
    return integer("ignore_class", None, "Class index that counts as unlabelled, e.g. 255 for void pixels.", nullable=True)


def _metric(
    name: str, keras_class: str, labels: Any, direction: Any, bounds: Any, summary: str, *parameters: Parameter, **more: Any
) -> MetricEntry:
    owned = more.pop("owned", OWNED_LOGITS if more.get("takes_from_logits") else OWNED)
    return MetricEntry(
        name=name,
        keras_class=keras_class,
        labels=labels,
        direction=direction,
        range=bounds,
        summary=summary,
        parameters=parameters,
        owned=owned,
        **more,
    )


def _maximized(name: str, keras_class: str, labels: Any, summary: str, *parameters: Parameter, **more: Any) -> MetricEntry:
    return _metric(name, keras_class, labels, "maximize", more.pop("range", SHARE), summary, *parameters, **more)


def _share(name: str, keras_class: str, labels: Any, summary: str, *parameters: Parameter, **more: Any) -> MetricEntry:
    return _maximized(name, keras_class, labels, summary, *parameters, in_percent=True, **more)


def _minimized(name: str, keras_class: str, labels: Any, summary: str, *parameters: Parameter, **more: Any) -> MetricEntry:
    return _metric(name, keras_class, labels, "minimize", more.pop("range", COUNT), summary, *parameters, **more)


def _best(name: str, keras_class: str, best: str, held: str) -> MetricEntry:
    """Return the entry of the greatest `best` among the thresholds at which `held` is large enough."""
    summary = f"Best {best} over the thresholds whose {held} is at least the given one."
    least = number(held, REQUIRED, f"Smallest {held}.", least=0, most=1)
    return _share(name, keras_class, "binary", summary, least, _num_thresholds(1), _class_id())


ACCURACIES = (
    _share(
        "binary_accuracy", "BinaryAccuracy", "binary", "Share of yes/no predictions that are right.", _threshold("threshold", 0.5)
    ),
    _share(
        "categorical_accuracy", "CategoricalAccuracy", "one_hot", "Share of rows whose likeliest class is right, one-hot targets."
    ),
    _share(
        "sparse_categorical_accuracy",
        "SparseCategoricalAccuracy",
        "integer",
        "Share of rows whose likeliest class is right, class-index targets.",
    ),
    _share(
        "top_k_categorical_accuracy",
        "TopKCategoricalAccuracy",
        "one_hot",
        "Share of rows whose true class is among the k likeliest, one-hot targets.",
        integer("k", 5, "How many classes are looked at.", least=1),
    ),
    _share(
        "sparse_top_k_categorical_accuracy",
        "SparseTopKCategoricalAccuracy",
        "integer",
        "Share of rows whose true class is among the k likeliest, class-index targets.",
        integer("k", 5, "How many classes are looked at.", least=1),
        owned={**OWNED, "from_sorted_ids": f"no `from_sorted_ids`: {FORM}"},
    ),
)

CONFUSION = (
    _maximized(
        "auc",
        "AUC",
        "binary",
        "Area under the ROC or the precision-recall curve, from counts at fixed thresholds.",
        _num_thresholds(2),
        choice("curve", "ROC", ("ROC", "PR", "PRGAIN"), "Which curve."),
        choice("summation_method", "interpolation", ("interpolation", "minoring", "majoring"), "How the area is summed."),
        Parameter(
            "thresholds", None, "array[number]", "The thresholds themselves; 0 and 1 are added.", nullable=True, least=0, most=1
        ),
        boolean("multi_label", False, "One area for each column, then their mean, instead of one area of all together."),
        integer("num_labels", None, "Number of columns with `multi_label`.", nullable=True, least=1, most=MAX_CLASSES),
        Parameter("label_weights", None, "array[number]", "Weight of each column in the mean.", nullable=True, least=0),
        takes_from_logits=True,
        rules=(
            Rule("multi_label true with num_labels", lambda given: not given.get("num_labels") or bool(given.get("multi_label"))),
        ),
    ),
    _share(
        "precision",
        "Precision",
        "binary",
        "Share of the predicted positives that are right.",
        _threshold("thresholds", None),
        integer("top_k", None, "Count the k likeliest classes as predicted.", nullable=True, least=1),
        _class_id(),
    ),
    _share(
        "recall",
        "Recall",
        "binary",
        "Share of the true positives that are found.",
        _threshold("thresholds", None),
        integer("top_k", None, "Count the k likeliest classes as predicted.", nullable=True, least=1),
        _class_id(),
    ),
    _best("precision_at_recall", "PrecisionAtRecall", "precision", "recall"),
    _best("recall_at_precision", "RecallAtPrecision", "recall", "precision"),
    _best("sensitivity_at_specificity", "SensitivityAtSpecificity", "sensitivity", "specificity"),
    _best("specificity_at_sensitivity", "SpecificityAtSensitivity", "specificity", "sensitivity"),
    _maximized(
        "true_positives", "TruePositives", "binary", "Number of positives found.", _threshold("thresholds", None), range=COUNT
    ),
    _maximized(
        "true_negatives", "TrueNegatives", "binary", "Number of negatives left alone.", _threshold("thresholds", None), range=COUNT
    ),
    _minimized("false_positives", "FalsePositives", "binary", "Number of false alarms.", _threshold("thresholds", None)),
    _minimized("false_negatives", "FalseNegatives", "binary", "Number of positives missed.", _threshold("thresholds", None)),
    _maximized(
        "f1_score",
        "F1Score",
        "binary",
        "Harmonic mean of precision and recall, targets and predictions [batch, classes].",
        _average(),
        number(
            "threshold", None, "Probability above which a class is predicted; null: the likeliest.", nullable=True, above=0, most=1
        ),
    ),
    _maximized(
        "f_beta_score",
        "FBetaScore",
        "binary",
        "Weighted harmonic mean of precision and recall, targets and predictions [batch, classes].",
        _average(),
        number("beta", 1.0, "How many times recall counts as much as precision.", above=0),
        number(
            "threshold", None, "Probability above which a class is predicted; null: the likeliest.", nullable=True, above=0, most=1
        ),
    ),
)

OVERLAPS = (
    _maximized(
        "io_u",
        "IoU",
        "class_ids",
        "Intersection over union of chosen classes, averaged.",
        _num_classes(),
        _target_classes(),
        _ignore_class(),
        _axis("Axis of the classes."),
        owned=OWNED_FORM,
    ),
    _maximized(
        "binary_io_u",
        "BinaryIoU",
        "binary",
        "Intersection over union of a mask, by default the mean of foreground (1) and background (0).",
        _target_classes((0, 1)),
        _threshold("threshold", 0.5),
    ),
    _maximized(
        "mean_io_u",
        "MeanIoU",
        "class_ids",
        "Intersection over union, averaged over all classes.",
        _num_classes(),
        _ignore_class(),
        _axis("Axis of the classes."),
        owned=OWNED_FORM,
    ),
    _maximized(
        "one_hot_io_u",
        "OneHotIoU",
        "one_hot",
        "Intersection over union of chosen classes, averaged, from one-hot targets.",
        _num_classes(),
        _target_classes(),
        _ignore_class(),
        _axis("Axis of the classes."),
        owned={**OWNED, "sparse_y_pred": OWNED_FORM["sparse_y_pred"]},
    ),
    _maximized(
        "one_hot_mean_io_u",
        "OneHotMeanIoU",
        "one_hot",
        "Intersection over union, averaged over all classes, from one-hot targets.",
        _num_classes(),
        _ignore_class(),
        _axis("Axis of the classes."),
        owned={**OWNED, "sparse_y_pred": OWNED_FORM["sparse_y_pred"]},
    ),
)

PROBABILISTIC = (
    _minimized(
        "binary_crossentropy",
        "BinaryCrossentropy",
        "binary",
        "Mean cross-entropy of yes/no predictions.",
        _smoothing(),
        takes_from_logits=True,
    ),
    _minimized(
        "categorical_crossentropy",
        "CategoricalCrossentropy",
        "one_hot",
        "Mean cross-entropy of class distributions, one-hot targets.",
        _smoothing(),
        _axis("Axis of the classes."),
        takes_from_logits=True,
    ),
    _minimized(
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        "integer",
        "Mean cross-entropy of class distributions, class-index targets.",
        _ignore_class(),
        _axis("Axis of the classes."),
        takes_from_logits=True,
    ),
    _minimized("kl_divergence", "KLDivergence", "one_hot", "Mean Kullback-Leibler divergence of the predicted distribution."),
    _minimized(
        "poisson", "Poisson", "continuous", "Mean negative Poisson log-likelihood, without its constant.", range=(None, None)
    ),
    _minimized("hinge", "Hinge", "binary", "Mean hinge loss of raw scores; targets 0/1 are read as -1/1.", takes_raw_output=True),
    _minimized(
        "squared_hinge",
        "SquaredHinge",
        "binary",
        "Mean squared hinge loss of raw scores; targets 0/1 are read as -1/1.",
        takes_raw_output=True,
    ),
    _minimized(
        "categorical_hinge",
        "CategoricalHinge",
        "one_hot",
        "Mean margin by which another class's score exceeds the true one's.",
        takes_raw_output=True,
    ),
)

REGRESSION = (
    _minimized("mean_squared_error", "MeanSquaredError", "continuous", "Mean squared difference."),
    _minimized(
        "root_mean_squared_error",
        "RootMeanSquaredError",
        "continuous",
        "Root of the mean squared difference, in the target's unit.",
    ),
    _minimized("mean_absolute_error", "MeanAbsoluteError", "continuous", "Mean absolute difference, in the target's unit."),
    _minimized(
        "mean_absolute_percentage_error",
        "MeanAbsolutePercentageError",
        "continuous",
        "Mean absolute difference in percent of the target.",
    ),
    _minimized(
        "mean_squared_logarithmic_error", "MeanSquaredLogarithmicError", "continuous", "Mean squared difference of log(1 + value)."
    ),
    _minimized("log_cosh_error", "LogCoshError", "continuous", "Mean of log(cosh(difference))."),
    _maximized(
        "cosine_similarity",
        "CosineSimilarity",
        "continuous",
        "Mean cosine of the angle between target and prediction: 1 when they point the same way (the loss is its negative).",
        _axis("Axis of the vectors."),
        range=(-1.0, 1.0),
    ),
    _maximized(
        "r2_score",
        "R2Score",
        "continuous",
        "Share of the targets' variance that is explained, targets and predictions [batch, columns].",
        choice(
            "class_aggregation", "uniform_average", ("uniform_average", "variance_weighted_average"), "How columns are averaged."
        ),
        integer("num_regressors", 0, "Number of regressors for the adjusted score; 0 for the plain one.", least=0),
        range=(None, 1.0),
    ),
    _maximized(
        "pearson_correlation",
        "PearsonCorrelation",
        "continuous",
        "Mean linear correlation within rows (along `axis`); not a number where a row has width 1.",
        _axis("Axis along which values are correlated."),
        range=(-1.0, 1.0),
    ),
    _maximized(
        "concordance_correlation",
        "ConcordanceCorrelation",
        "continuous",
        "Mean agreement within rows (along `axis`): correlation, less for a shift or another scale.",
        _axis("Axis along which values are compared."),
        range=(-1.0, 1.0),
    ),
)

COUPLED = frozenset({"concordance_correlation", "cosine_similarity", "f1_score", "f_beta_score", "pearson_correlation", "r2_score"})
"""What reads the columns of a row together, though targets have the output's shape."""

METRICS = tuple(
    replace(entry, columnwise=entry.labels in ("binary", "continuous") and entry.name not in COUPLED)
    for entry in (*ACCURACIES, *CONFUSION, *OVERLAPS, *PROBABILISTIC, *REGRESSION)
)

METRIC_ALIASES = {
    "bce": "binary_crossentropy",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
    "rmse": "root_mean_squared_error",
    "r2": "r2_score",
    "f1": "f1_score",
    "fbeta_score": "f_beta_score",
    "binary_iou": "binary_io_u",
    "mean_iou": "mean_io_u",
    "one_hot_iou": "one_hot_io_u",
    "one_hot_mean_iou": "one_hot_mean_io_u",
}
"""Other names of the same metric, in lower case. `accuracy`, `iou` and `pr_auc` depend on more: see `resolve_metric`."""
