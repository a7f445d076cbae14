"""Judge stored trials anew under another objective. Pure functions of numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from search.definition.schema import Objective, StudyDefinition
from search.errors import InvalidDefinition
from search.objective.order import has_won, place
from search.objective.scoring import Measurements, Score, evaluate
from search.validation import checks
from search.validation.context import Description, ValidationContext
from search.validation.normalize import echoed_objective
from search.validation.partial import parts_of


def judged_by(definition: StudyDefinition, objective: Objective, description: Description | None) -> Objective:
    """Return the objective normalised for a stored study; its `epoch`, unless it says one, is the study's.

    `description` is what a worker published of the workload. Raises InvalidDefinition with all faults, at paths in the definition.
    """
    known = ValidationContext(
        dataclasses.replace(parts_of(definition), objective=objective), {definition.workload.name: description}
    )
    if faults := checks.objective_faults(known):
        raise InvalidDefinition(faults)
    if "epoch" not in objective.model_fields_set:
        objective = objective.model_copy(update={"epoch": definition.objective.epoch})
    return echoed_objective(objective, known)


def under(definition: StudyDefinition, aggregate: str, description: Description | None) -> Objective:
    """Return the study's objective with another aggregate, its config as it is by itself. Raises InvalidDefinition."""
    config = definition.objective.config if aggregate == definition.objective.aggregate else {}
    objective = definition.objective.model_copy(update={"aggregate": aggregate, "config": config})
    return judged_by(definition, objective, description)


def ranked(objective: Objective, measured: Measurements) -> list[tuple[int, Score]]:
    """Return the trials with their scores, best first, in the order of `search.objective.order`."""
    scores = [(number, evaluate(objective, values)) for number, values in measured.items()]
    return sorted(scores, key=lambda each: place(each[1].feasible, each[1].value, each[0]), reverse=True)


def winner(ranking: Sequence[tuple[int, Score]]) -> int | None:
    """Return the number of the best trial, None where no feasible one has a finite value."""
    if not ranking:
        return None
    number, score = ranking[0]
    return number if has_won(score.feasible, score.value) else None
