"""The built-in aggregates: one object each, with parameters and traits. `search.objective.aggregates` computes them."""

from __future__ import annotations

from search.catalog.entries import AggregateEntry, Parameter, number

REFERENCES = "references"
"""The parameter of an aggregate that needs them: what each task reaches alone, by metric path."""

SMOOTHING = 0.1
"""`mu` of smooth_tchebycheff where none is given: about the spread of a few tasks' accuracies."""

IDEAL = Parameter(
    "ideal",
    None,
    "any",
    "Each optimised metric's best value, by its path. Left out: 1 for a metric to maximise whose range ends at 1, 0 for one to "
    "minimise whose range begins at 0; required for others.",
    nullable=True,
)

AGGREGATES = (
    AggregateEntry(
        name="mean",
        implementation="search.objective.aggregates:mean",
        summary="Sum of utility x sign x metric over the sum of utilities; sign 1 to maximise, -1 to minimise.",
    ),
    AggregateEntry(
        name="worst",
        implementation="search.objective.aggregates:worst",
        summary="The smallest utility x sign x metric: the worst task decides.",
    ),
    AggregateEntry(
        name="pareto",
        implementation="search.objective.aggregates:pareto",
        is_front=True,
        summary="No one value: the trials that no other beats in every metric; `best` asks which to pick.",
    ),
    AggregateEntry(
        name="delta_m",
        implementation="search.objective.aggregates:delta_m",
        needs_references=True,
        summary="Mean over metrics of the relative change against each task trained alone, in percent (Maninis et al. 2019).",
        parameters=(
            Parameter(
                "references",
                None,
                "any",
                "What each optimised metric is where its task is trained alone, by its path. Left out: measured before the search.",
                nullable=True,
            ),
        ),
    ),
    AggregateEntry(
        name="geometric_mean",
        implementation="search.objective.aggregates:geometric_mean",
        positive=True,
        summary="Product of metric ^ (utility / sum of utilities): one metric near 0 spoils it. For metrics to maximise that "
        "cannot be negative.",
    ),
    AggregateEntry(
        name="tchebycheff",
        implementation="search.objective.aggregates:tchebycheff",
        summary="Minus the greatest distance to the ideal, each times utility / sum of utilities: the one farthest behind decides.",
        parameters=(IDEAL,),
    ),
    AggregateEntry(
        name="smooth_tchebycheff",
        implementation="search.objective.aggregates:smooth_tchebycheff",
        summary="As tchebycheff with mu log sum exp(distance / mu) in place of the greatest distance (Lin et al. 2024).",
        parameters=(
            IDEAL,
            number("mu", SMOOTHING, "How smooth: towards 0 it is tchebycheff, a great one comes near to the mean.", above=0),
        ),
    ),
)
