"""The built-in pruners: one object each, with parameters and traits. `search.sampling.pruning` computes them."""

from __future__ import annotations

from search.catalog.entries import Parameter, PrunerEntry, integer, number

WARMUP = Parameter(
    "warmup_epochs",
    None,
    "integer",
    "No trial is ended in the first so many epochs: bad weights look good early. null: a quarter of all, at least 1.",
    nullable=True,
    least=0,
    most=100_000,
)
INTERVAL = Parameter(
    "interval_epochs",
    None,
    "integer",
    "Epochs from one look to the next; null: a tenth of all, at least 1.",
    nullable=True,
    least=1,
    most=100_000,
)
STARTUP = integer(
    "n_startup_trials", 5, "Others that must have been measured at an epoch before any is ended there.", least=1, most=100_000
)
REDUCTION = integer("reduction_factor", 3, "Of so many trials at a rung, one goes on.", least=2, most=10)
FIRST_RUNG = Parameter(
    "min_epochs",
    None,
    "integer",
    "Epochs to the first rung; each further one is `reduction_factor` times as far. null: a ninth of all, at least 1.",
    nullable=True,
    least=1,
    most=100_000,
)

PRUNERS = (
    PrunerEntry(
        name="median",
        implementation="search.sampling.pruning:below_median",
        summary="Ends trials below the median of the others at the same epoch.",
        parameters=(WARMUP, INTERVAL, STARTUP),
    ),
    PrunerEntry(
        name="successive_halving",
        implementation="search.sampling.pruning:not_kept",
        halving=True,
        summary="Keeps one in `reduction_factor` trials at each rung of epochs (Jamieson and Talwalkar 2016).",
        parameters=(FIRST_RUNG, REDUCTION),
    ),
    PrunerEntry(
        name="hyperband",
        implementation="search.sampling.pruning:not_kept_in_bracket",
        halving=True,
        brackets=True,
        summary="Successive halving in several brackets, from eager to patient; trials are shared out among them (Li et al. 2018).",
        parameters=(FIRST_RUNG, REDUCTION),
    ),
    PrunerEntry(
        name="dominated",
        implementation="search.sampling.pruning:dominated",
        by_value=False,
        summary="Ends trials that another beats in every optimised metric at the same epoch by a margin: far from the front.",
        parameters=(
            WARMUP,
            INTERVAL,
            number("margin", 0.1, "By how much in each metric, as a share of its range among all trials at that epoch.", least=0),
            STARTUP,
        ),
    ),
)
