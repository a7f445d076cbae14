"""What a definition may say but probably does not mean: reported as warnings, never refused."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from search.definition.finite import finite_space
from search.definition.plugins import is_grid, sampler_of
from search.definition.schema import ObjectiveMetric, StudyDefinition
from search.definition.selectors import is_index
from search.definition.space import shared_by, simplex_members, simplex_total
from search.definition.weights import SharedWeight, Weight, WeightRange
from search.sampling.generations import given_size
from search.sampling.pruning import ladder
from search.validation.context import ValidationContext, direction_of, matches, measured_paths, resolve

LEAST_GENERATIONS = 5
SHOWN_GROUPS = 12


def cautions(known: ValidationContext, trials: int) -> list[str]:
    """Return what is allowed but probably not meant."""
    return [warning for warn in CAUTIONS for warning in warn(known, trials)]


def _many_weights(known: ValidationContext, trials: int) -> Iterator[str]:
    arguments = len(known.parts.arguments())
    searched, what = len(known.parts.searched()) + arguments, "parameter" if arguments else "weight"
    if searched * 10 > trials:
        yield f"{searched} searched {what}s for {trials} trials: ten trials or more per searched {what} give the sampler a chance"


def _tuned_beside(known: ValidationContext, trials: int) -> Iterator[str]:
    for place in known.parts.arguments():
        yield (
            f"{place}: it is searched beside the weights, and baselines train at its usual value (`current`, else the default), so "
            "a gain over equal weights may be this argument's and not the weights'"
        )


def _dropped_losses(known: ValidationContext, trials: int) -> Iterator[str]:
    losses = {_drawn_at(place, part.weight): path for place, path, part, task in known.parts.terms() if task is not None}
    for place, weight in known.parts.searched().items():
        if isinstance(weight, WeightRange) and weight.low == 0 and place in losses:
            yield (
                f"{place}: low is 0, so the scale is linear and a trial may not train {losses[place]} at all; "
                "a small low > 0 searches by ratios"
            )


def _drawn_at(place: str, weight: Weight) -> str:
    """Return the JSON path of the searched weight that a term's weight is, or refers to."""
    shared = shared_by(weight)
    return f"weights.{shared[0]}" if shared else f"{place}.weight"


def _members(known: ValidationContext) -> dict[str, SharedWeight]:
    """Return the members of the definition's simplex by their JSON path; none in a box."""
    if known.parts.search is None:
        return {}
    places, searched = known.parts.parameters(), known.parts.searched()
    return {places[path]: searched[places[path]] for path in simplex_members(known.parts.search.space, places)}


def _another_total(known: ValidationContext, trials: int) -> Iterator[str]:
    """Warn of weights of today whose sum the search never has: they are trained as they are, and differ by more than ratios."""
    members = _members(known)
    if known.parts.search is None or all(weight.current is None for weight in members.values()):
        return
    losses = {_drawn_at(place, part.weight) for place, _, part, task in known.parts.terms() if task is not None}
    today = [weight.current if weight.current is not None else float(place in losses) for place, weight in members.items()]
    total = simplex_total(known.parts.search.space)
    if not math.isclose(math.fsum(today), total, rel_tol=1e-6):
        yield (
            f"search.space: the current weights sum to {math.fsum(today):g}, those that are searched to {total:g}; "
            "yours are trained as they are, so the two differ in scale too"
        )


def _unheard(known: ValidationContext, trials: int) -> Iterator[str]:
    search, objective = known.parts.search, known.parts.objective
    constrained = objective is not None and any(entry.strategy == "constraint" for entry in objective.metrics)
    if search is not None and not sampler_of(search.sampler).heeds_constraints and constrained:
        yield (
            f"search.sampler: {search.sampler.name} follows the objective's value alone and does not heed constraints; tpe, gp and "
            "nsga2 do"
        )


def _young(known: ValidationContext, trials: int) -> Iterator[str]:
    """Warn of a genetic search that ends before it has selected anything: its first generation is drawn at random."""
    search = known.parts.search
    size = given_size(search.sampler) if search is not None and sampler_of(search.sampler).first_at_random else None
    if search is not None and size is not None and trials < LEAST_GENERATIONS * size:
        yield (
            f"search.sampler: {trials} trials are {trials / size:.3g} generations of {size}, the first of them random draws; "
            f"{search.sampler.name} needs some {LEAST_GENERATIONS} and more, tpe learns from fewer trials"
        )


def _unjudged(known: ValidationContext, trials: int) -> Iterator[str]:
    search, training = known.parts.search, known.parts.training
    if search is not None and search.pruner is not None and training is not None and not ladder(search.pruner, training):
        yield (
            f"search.pruner: {search.pruner.name} never ends a trial: of {training.epochs} epochs, reported every "
            f"{training.report_every}, none at which it would judge comes before the last"
        )


def _unlearnt(known: ValidationContext, trials: int) -> Iterator[str]:
    search = known.parts.search
    if search is not None and search.pruner is not None and not sampler_of(search.sampler).prunable:
        yield (
            f"search.pruner: {search.sampler.name} learns from trials alone that were trained to their last epoch; tpe learns from "
            "pruned ones too"
        )


def _outside(known: ValidationContext, trials: int) -> Iterator[str]:
    members = _members(known)
    for place, weight in (known.parts.searched() | known.parts.arguments()).items():
        if place in members:  # its range bounds what is drawn, not what is used
            continue
        if weight.current is not None and not weight.may_be(weight.current):
            yield f"{place}: current {weight.current:g} is not among what may be drawn, so the search cannot come back to it"


def _twins(known: ValidationContext, trials: int) -> Iterator[str]:
    search = known.parts.search
    if search is not None and {"uncertainty", "imtl_l"} <= {*(search.baselines or ())}:
        yield "search.baselines: uncertainty and imtl_l train the same weights here, so one of them would do"


def _alike(known: ValidationContext, trials: int) -> Iterator[str]:
    search, training = known.parts.search, known.parts.training
    if training is None or training.initial_weights != "fixed" or search is None or search.confirmation is None:
        return
    if not training.shuffle:
        yield (
            "training: every training starts from the same weights and takes the rows in the same order, so fresh seeds change "
            "only what the model itself draws at random, such as dropout; intervals that cover more need one of initial_weights "
            "and shuffle left out"
        )
    else:
        yield (
            "training.initial_weights: every training starts from the same weights, so what fresh seeds confirm covers the order "
            "of rows alone, not what other initial weights would give"
        )


def _turned(known: ValidationContext, trials: int) -> Iterator[str]:
    for task in known.parts.tasks.values():
        for metric in task.metrics:
            usual = resolved[0].direction if (resolved := resolve(known, task, metric)) is not None else None
            if metric.direction and usual and metric.direction != usual:
                yield f"{task.name}.{metric.name}: direction {metric.direction} is the opposite of what the catalog says"
    for wanted in known.parts.objective.metrics if known.parts.objective else ():
        yield from _turned_objective(known, wanted)


def _turned_objective(known: ValidationContext, wanted: ObjectiveMetric) -> Iterator[str]:
    for path in matches(wanted.metric, measured_paths(known)):
        usual = direction_of(known, path)
        if wanted.direction and usual and wanted.direction != usual:
            yield f"objective: {path} with direction {wanted.direction} is the opposite of what is usual ({usual})"


def _unpublished(known: ValidationContext, trials: int) -> Iterator[str]:
    if known.description is None:
        yield unpublished(known.parts.workload)


def unpublished(workload: str | None) -> str:
    """Return what is said of a study whose workload no worker has published; it holds until a worker prepares the study."""
    return (
        f"no worker has published workload {workload!r} yet, so its outputs, targets and own terms are checked when a worker "
        "prepares the study"
    )


CAUTIONS = (
    _many_weights,
    _tuned_beside,
    _dropped_losses,
    _outside,
    _another_total,
    _unheard,
    _young,
    _unjudged,
    _unlearnt,
    _twins,
    _alike,
    _turned,
    _unpublished,
)


def beyond_settings(definition: StudyDefinition, trials: int) -> Iterator[str]:
    """Warn where more trials are asked for than the space has settings: none is trained twice."""
    finite = finite_space(definition)
    settings = trials if finite is None else finite.count(trials)
    if settings < trials and not is_grid(definition.search.sampler):
        yield f"search.trials: {trials} trials of {settings} settings: each is trained once, and the search ends when all are known"


def unordered_groups(document: Mapping[str, Any], definition: StudyDefinition) -> Iterator[str]:
    """Warn of named groups that a POSTed document gives no `order`: many clients sort the keys of an object."""
    for i, penalty in enumerate(definition.penalties):
        for j, side in enumerate(penalty.between or ()):
            given = document["penalties"][i]["between"][j]
            said = given.get("order") if isinstance(given, Mapping) else side.order
            if said is not None or side.groups is None or all(map(is_index, side.groups)):
                continue
            names = side.order or ()
            shown = ", ".join(f"{name} is class {place}" for place, name in enumerate(names[:SHOWN_GROUPS]))
            more = f", and {len(names) - SHOWN_GROUPS} more" if len(names) > SHOWN_GROUPS else ""
            yield (
                f"penalties.{i}.between.{j}.groups: by the order of the keys, {shown}{more} of the other side; "
                'say `order`, or use the keys "0", "1", ...'
            )
