"""The optimizers of `keras.optimizers`: a table of names, parameters, defaults, and which ones can be stacked.

Left out: `LossScaleOptimizer` (mixed precision) and `MultiOptimizer`, which wrap other optimizers. The tests compare the table with
the installed Keras and check `elementwise` by training stacked and apart.
"""

from __future__ import annotations

from typing import Any

from search.catalog.entries import OptimizerEntry, Parameter, Rule, boolean, integer, number

OWNED = {
    "name": "no `name` here: a study has one optimizer",
    "loss_scale_factor": "no `loss_scale_factor`: it belongs to mixed precision, which the service does not train in",
}


def _rate(default: float = 0.001) -> Parameter:
    return number("learning_rate", default, "Step size.", least=0, searchable=True)


def _epsilon(default: float = 1e-7, name: str = "epsilon") -> Parameter:
    return number(name, default, "Small number for numerical stability.", least=0)


def _decay(name: str, default: float, description: str, **limits: Any) -> Parameter:
    return number(name, default, description, **{"least": 0, "most": 1, **limits})


def _betas(beta_2: float = 0.999) -> tuple[Parameter, Parameter]:
    return (
        _decay("beta_1", 0.9, "Decay of the mean of gradients.", most=None, below=1),
        _decay("beta_2", beta_2, "Decay of the mean of squared gradients.", most=None, below=1),
    )


def _weight_decay(default: float | None = None, name: str = "weight_decay") -> Parameter:
    text = "Share of each weight, times the learning rate, that a step takes off."
    return number(name, default, text, nullable=default is None, least=0, searchable=True)


def _clip(name: str, description: str) -> Parameter:
    return number(name, None, description, nullable=True, above=0)


COMMON = (
    _clip("clipnorm", "Clip each variable's gradient to this norm."),
    _clip("clipvalue", "Clip each element of the gradient to this value."),
    _clip("global_clipnorm", "Clip all gradients together to this norm."),
    boolean("use_ema", False, "Keep an exponential moving average of the weights."),
    _decay("ema_momentum", 0.99, "Decay of that average."),
    integer("ema_overwrite_frequency", None, "Steps after which weights are set to that average.", nullable=True, least=1),
    integer("gradient_accumulation_steps", None, "Steps whose gradients are averaged into one update.", nullable=True, least=2),
)
ONE_CLIP = Rule(
    "at most one of clipnorm, clipvalue and global_clipnorm",
    lambda given: sum(given.get(name) is not None for name in ("clipnorm", "clipvalue", "global_clipnorm")) <= 1,
)


def _optimizer(keras_class: str, summary: str, *parameters: Parameter, elementwise: bool = True) -> OptimizerEntry:
    """Return the entry under the name that `keras.optimizers.get` knows: the class's name in lower case."""
    names = {parameter.name for parameter in parameters}
    own = parameters if "weight_decay" in names else (*parameters, _weight_decay())
    return OptimizerEntry(
        name=keras_class.lower(),
        keras_class=keras_class,
        summary=summary,
        parameters=own + COMMON,
        owned=OWNED,
        rules=(ONE_CLIP,),
        elementwise=elementwise,
    )


OPTIMIZERS = (
    _optimizer(
        "SGD",
        "Gradient descent, with momentum if asked.",
        _rate(0.01),
        _decay("momentum", 0.0, "Share of the last step that is kept."),
        boolean("nesterov", False, "Look ahead along the momentum."),
    ),
    _optimizer(
        "Adam",
        "Steps scaled by running means of gradients and their squares.",
        _rate(),
        *_betas(),
        _epsilon(),
        boolean("amsgrad", False, "Keep the greatest second moment seen."),
    ),
    _optimizer(
        "AdamW",
        "Adam with decoupled weight decay.",
        _rate(),
        _weight_decay(0.004),
        *_betas(),
        _epsilon(),
        boolean("amsgrad", False, "Keep the greatest second moment seen."),
    ),
    _optimizer(
        "RMSprop",
        "Steps scaled by a running mean of squared gradients.",
        _rate(),
        _decay("rho", 0.9, "Decay of the mean of squared gradients."),
        _decay("momentum", 0.0, "Share of the last step that is kept."),
        _epsilon(),
        boolean("centered", False, "Scale by the gradients' variance instead of their squares."),
    ),
    _optimizer(
        "Adadelta",
        "Steps scaled by running means of squared gradients and squared steps.",
        _rate(),
        _decay("rho", 0.95, "Decay of both means."),
        _epsilon(),
    ),
    _optimizer(
        "Adagrad",
        "Steps scaled by the sum of all squared gradients so far.",
        _rate(),
        number("initial_accumulator_value", 0.1, "Where that sum begins.", least=0),
        _epsilon(),
    ),
    _optimizer("Adamax", "Adam with the greatest gradient in place of the mean square.", _rate(), *_betas(), _epsilon()),
    _optimizer("Nadam", "Adam with Nesterov's look-ahead.", _rate(), *_betas(), _epsilon()),
    _optimizer(
        "Ftrl",
        "Follow the regularised leader: sparse weights for wide linear models.",
        _rate(),
        number("learning_rate_power", -0.5, "How the step size falls; 0 keeps it.", most=0),
        number("initial_accumulator_value", 0.1, "Where the sum of squared gradients begins.", least=0),
        number("l1_regularization_strength", 0.0, "L1 regularisation.", least=0),
        number("l2_regularization_strength", 0.0, "L2 regularisation.", least=0),
        number("l2_shrinkage_regularization_strength", 0.0, "L2 regularisation by the size of the weights.", least=0),
        number("beta", 0.0, "Beta of the paper.", least=0),
    ),
    _optimizer(
        "Lion",
        "Steps by the sign of a mean of gradients.",
        _rate(),
        _decay("beta_1", 0.9, "Mix of the mean with the present gradient.", least=None, above=0),
        _decay("beta_2", 0.99, "Decay of the mean of gradients."),
    ),
    _optimizer(
        "ScheduleFreeAdamW",
        "AdamW that averages iterates in place of a learning-rate schedule.",
        _rate(0.0025),
        _decay("beta_1", 0.9, "Mix of the averaged and the present iterate.", least=None, above=0),
        _decay("beta_2", 0.999, "Decay of the mean of squared gradients.", most=None, below=1),
        _epsilon(1e-8),
        integer("warmup_steps", 0, "Steps over which the learning rate rises.", least=0),
    ),
    # From here on an update reads a whole variable: its norm (Lamb), row and column means (Adafactor), its matrix (Muon).
    _optimizer("Lamb", "Adam with each variable's step scaled to its norm.", _rate(), *_betas(), _epsilon(), elementwise=False),
    _optimizer(
        "Adafactor",
        "Adam with the second moment kept as row and column means.",
        _rate(),
        number("beta_2_decay", -0.8, "Exponent by which the second moment's decay grows.", most=0),
        _epsilon(1e-30, "epsilon_1"),
        _epsilon(1e-3, "epsilon_2"),
        number("clip_threshold", 1.0, "Greatest root mean square of an update.", above=0),
        boolean("relative_step", True, "Let the step size fall with the number of steps."),
        elementwise=False,
    ),
    _optimizer(
        "Muon",
        "Orthogonalised momentum for matrices, AdamW for all else.",
        _rate(),
        _decay("adam_beta_1", 0.9, "AdamW's decay of the mean of gradients.", most=None, below=1),
        _decay("adam_beta_2", 0.999, "AdamW's decay of the mean of squared gradients.", most=None, below=1),
        _weight_decay(0.004, "adam_weight_decay"),
        _epsilon(),
        _weight_decay(0.004),
        Parameter("exclude_layers", None, "array[string]", "Patterns of variables that AdamW trains.", nullable=True),
        boolean("exclude_embeddings", True, "Let AdamW train embeddings."),
        number("muon_a", 3.4445, "First coefficient of the Newton-Schulz step."),
        number("muon_b", -4.775, "Second coefficient of the Newton-Schulz step."),
        number("muon_c", 2.0315, "Third coefficient of the Newton-Schulz step."),
        number("adam_lr_ratio", 1, "AdamW's learning rate as a share of Muon's.", least=0),
        _decay("momentum", 0.95, "Share of the last step that is kept."),
        integer("ns_steps", 5, "Newton-Schulz steps.", least=1, most=100),
        boolean("nesterov", True, "Look ahead along the momentum."),
        number("rms_rate", 0.2, "Scale of an update's root mean square; null leaves it.", nullable=True, least=0),
        elementwise=False,
    ),
)

OPTIMIZER_ALIASES = {
    "adam_w": "adamw",
    "rm_sprop": "rmsprop",
    "schedule_free_adamw": "schedulefreeadamw",
    "schedule_free_adam_w": "schedulefreeadamw",
}
"""Snake-case names of the same optimizers."""
