"""What a definition asks to be searched: its terms, its parameters, and the weights that drawn values give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from search.definition import Loss, Penalty, StudyDefinition, Task
from search.weights import SharedWeight, Weight, WeightChoice, WeightOf, WeightRange

DEFAULT_TRIALS = 32


@dataclass(frozen=True, slots=True)
class Term:
    """One named summand of the training loss: a component loss of a task, or a penalty."""

    path: str
    kind: Literal["loss", "penalty"]
    task: Task | None
    part: Loss | Penalty

    @property
    def weight(self) -> Weight:
        return self.part.weight


def terms(definition: StudyDefinition) -> tuple[Term, ...]:
    """List the definition's terms, losses in the order of the tasks, then penalties."""
    losses = [Term(f"{task.name}.{loss.name}", "loss", task, loss) for task in definition.tasks for loss in task.losses]
    return (*losses, *(Term(penalty.name, "penalty", None, penalty) for penalty in definition.penalties))


def parameters(definition: StudyDefinition) -> dict[str, SharedWeight]:
    """Return what is searched, by parameter path: shared weights by their name, other weights by their term's path."""
    found: dict[str, SharedWeight] = {
        term.path: term.weight for term in terms(definition) if isinstance(term.weight, WeightRange | WeightChoice)
    }
    # In one order however a client or a database orders keys, so that equal hashes mean equal searches.
    return dict(sorted(definition.weights.items())) | found


def shared_by(weight: Weight) -> tuple[str, float] | None:
    """Return the shared weight that `weight` refers to and the factor on it, or None."""
    if isinstance(weight, str):
        return weight, 1.0
    if isinstance(weight, WeightOf):
        return weight.of, weight.times
    return None


def used_weights(definition: StudyDefinition, drawn: Mapping[str, float]) -> dict[str, float]:
    """Return every term's weight under the drawn parameters, fixed ones too."""
    return {term.path: _used(term, drawn) for term in terms(definition)}


def _used(term: Term, drawn: Mapping[str, float]) -> float:
    if reference := shared_by(term.weight):
        name, times = reference
        return drawn[name] * times
    if isinstance(term.weight, WeightRange | WeightChoice):
        return drawn[term.path]
    return float(term.weight)  # type: ignore[arg-type]  # the tagged union leaves a number


def current_parameters(definition: StudyDefinition) -> dict[str, float] | None:
    """Return the parameters that the user uses today, or None where the definition names none.

    Where only some ranges name a `current`, the others count as Keras counts a term nobody weighs: 1 for a loss; 0 for a penalty,
    which plain Keras does not have.
    """
    searched = parameters(definition)
    if all(weight.current is None for weight in searched.values()):
        return None
    return {path: _current(definition, path, weight) for path, weight in searched.items()}


def _current(definition: StudyDefinition, path: str, weight: SharedWeight) -> float:
    if weight.current is not None:
        return weight.current
    readers = [term for term in terms(definition) if term.path == path or (shared_by(term.weight) or ("",))[0] == path]
    return 1.0 if any(term.kind == "loss" for term in readers) else 0.0


def grid_size(definition: StudyDefinition) -> int:
    """Return how many points the grid has: the product of the parameters' points."""
    return math.prod(_points(weight) for weight in parameters(definition).values())


def _points(weight: SharedWeight) -> int:
    return len(weight.values) if isinstance(weight, WeightChoice) else weight.points or 0


def grid_point(definition: StudyDefinition, index: int) -> dict[str, float]:
    """Return the parameters of grid point `index`, from 0; the last parameter changes fastest."""
    drawn: dict[str, float] = {}
    for path, weight in reversed(parameters(definition).items()):
        axis = weight.grid()
        index, place = divmod(index, len(axis))
        drawn[path] = axis[place]
    return {path: drawn[path] for path in parameters(definition)}


def trial_budget(definition: StudyDefinition) -> int:
    """Return how many search trials the definition asks for."""
    if definition.search.trials is not None:
        return definition.search.trials
    return grid_size(definition) if definition.search.sampler.name == "grid" else DEFAULT_TRIALS


def affordable(definition: StudyDefinition, budget: int) -> int:
    """Return how many search trials there can be under `budget`: a grid has no more than its points."""
    return min(budget, grid_size(definition)) if definition.search.sampler.name == "grid" else budget


def baseline_rules(definition: StudyDefinition) -> tuple[str, ...]:
    """Return the rules of the baselines that are trained beside the search."""
    return ("current",) if current_parameters(definition) is not None else ()
