"""The built-in penalties: one object each, with parameters, formula and traits. `search.training.problem.penalties` computes them.

Sides a and b are the two selectors of `between`, in their order, of equal shape; n counts the rows of a batch.
"""

from __future__ import annotations

from search.catalog.entries import PenaltyEntry, choice, integer, number

REDUCES = ("mean", "max", "noisy_or", "logsumexp")
"""How a selector or `hierarchy` takes many values (pixels, say) together."""

TOLERANCE = number("tolerance", 0.1, "A row whose own value of the penalty is above this counts as a violation.", least=0)

PENALTIES = (
    PenaltyEntry(
        name="consistency",
        implementation="search.training.problem.penalties:consistency",
        summary="Two predictions of the same thing should be equal.",
        parameters=(
            choice("form", "absolute", ("absolute", "squared", "jensen_shannon"), "How a difference is measured."),
            TOLERANCE,
        ),
        formula="absolute: mean |a - b|; squared: mean (a - b)^2; jensen_shannon: mean over rows of JS(a, b), in nats",
    ),
    PenaltyEntry(
        name="covariance",
        implementation="search.training.problem.penalties:covariance",
        summary="Two quantities should rise and fall together (sign 1), or against each other (sign -1), over a batch.",
        parameters=(
            integer("sign", 1, "1: together; -1: against each other.", choices=(-1, 1)),
            number("at_least", 0.0, "Signed covariance that is enough.", searchable=True),
        ),
        formula="mean over features of relu(at_least - sign * cov(a, b)), cov over the rows of the batch",
        batch_statistic=True,
        has_rows=False,
    ),
    PenaltyEntry(
        name="correlation",
        implementation="search.training.problem.penalties:correlation",
        summary="Two quantities should be correlated by at least so much over a batch.",
        parameters=(number("at_least", 0.0, "Correlation that is enough.", least=-1, most=1, searchable=True),),
        formula="mean over features of relu(at_least - corr(a, b)), corr over the rows of the batch",
        batch_statistic=True,
        has_rows=False,
    ),
    PenaltyEntry(
        name="implication",
        implementation="search.training.problem.penalties:implication",
        summary="The first should imply the second: a is never more probable than b.",
        parameters=(TOLERANCE,),
        formula="mean relu(a - b)",
    ),
    PenaltyEntry(
        name="hierarchy",
        implementation="search.training.problem.penalties:hierarchy",
        reduces_first=True,
        summary="The parts of a whole, taken together, should agree with the prediction for the whole.",
        parameters=(
            choice("reduce", "max", REDUCES, "How the parts (a) are taken together, over all axes but batch and last."),
            TOLERANCE,
        ),
        formula="mean |reduce(a) - b|; noisy_or: 1 - prod(1 - a); logsumexp: log(mean(exp(a)))",
    ),
)
