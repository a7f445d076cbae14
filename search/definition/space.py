"""What a definition asks to be searched: its terms, its parameters, and the weights that drawn values give."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from search import catalog
from search.definition.lattice import lattice_point, lattice_size, onto_simplex
from search.definition.plugins import find_penalty_of, is_grid
from search.definition.schedules import AppliedSchedule
from search.definition.schema import Loss, Penalty, StudyDefinition, Task
from search.definition.searched_arguments import OPTIMIZER, ranges_in
from search.definition.weights import (
    FractionRange,
    Schedule,
    SharedWeight,
    Simplex,
    Space,
    Weight,
    WeightChoice,
    WeightOf,
    WeightRange,
)

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
    """Return all that is searched, by parameter path: weights, then what their schedules leave open, then arguments.

    Paths: a shared weight's name, a term's path, `<either>.schedule.fraction` and `.schedule.shape` (its index in the list),
    `<term>.<argument>`, `optimizer.<argument>`.
    """
    found = dict(searched_weights(definition))
    for path, weight in searched_weights(definition).items():
        found |= _open_in_schedule(path, weight.schedule)
    return found | searched_arguments(definition)


def searched_arguments(definition: StudyDefinition) -> dict[str, SharedWeight]:
    """Return the searched arguments by parameter path: those of terms, then those of the optimizer."""
    found: dict[str, SharedWeight] = {}
    for term in terms(definition):
        found |= dict(ranges_in(term.path, term.part.config))
    return found | dict(ranges_in(OPTIMIZER, definition.training.optimizer.config))


def searched_weights(definition: StudyDefinition) -> dict[str, SharedWeight]:
    """Return the searched weights by parameter path: shared ones by their name, others by their term's path."""
    found: dict[str, SharedWeight] = {
        term.path: term.weight for term in terms(definition) if isinstance(term.weight, WeightRange | WeightChoice)
    }
    # In one order however a client or a database orders keys, so that equal hashes mean equal searches.
    return dict(sorted(definition.weights.items())) | found


def _open_in_schedule(path: str, schedule: Schedule | None) -> dict[str, SharedWeight]:
    """Return what a weight's schedule leaves to the search, by parameter path."""
    found: dict[str, SharedWeight] = {}
    if schedule is not None and isinstance(schedule.fraction, FractionRange):
        found[f"{path}.schedule.fraction"] = WeightRange(low=schedule.fraction.low, high=schedule.fraction.high, scale="linear")
    if schedule is not None and isinstance(schedule.shape, tuple):
        found[f"{path}.schedule.shape"] = WeightChoice(values=tuple(float(i) for i in range(len(schedule.shape))))
    return found


def schedules(definition: StudyDefinition, drawn: Mapping[str, float]) -> dict[str, AppliedSchedule]:
    """Return the schedules of a trial with these parameters, by term path; a weight without one is left out."""
    searched = searched_weights(definition)
    found: dict[str, AppliedSchedule] = {}
    for term in terms(definition):
        reference = shared_by(term.weight)
        path = reference[0] if reference else term.path
        schedule = searched[path].schedule if path in searched else None
        if schedule is not None:
            found[term.path] = _applied(path, schedule, drawn)
    return found


def _applied(path: str, schedule: Schedule, drawn: Mapping[str, float]) -> AppliedSchedule:
    shape = schedule.shape if isinstance(schedule.shape, str) else schedule.shape[int(drawn[f"{path}.schedule.shape"])]
    open_fraction = isinstance(schedule.fraction, FractionRange)
    fraction = drawn[f"{path}.schedule.fraction"] if open_fraction else schedule.fraction
    return AppliedSchedule(shape, schedule.start, float(fraction))  # type: ignore[arg-type]


def arguments(definition: StudyDefinition, drawn: Mapping[str, float]) -> dict[str, float]:
    """Return the searched arguments of a trial by parameter path: `<term>.<argument>`, `optimizer.learning_rate`."""
    return {path: drawn[path] for path in searched_arguments(definition) if path in drawn}


def shared_by(weight: Weight) -> tuple[str, float] | None:
    """Return the shared weight that `weight` refers to and the factor on it, or None."""
    if isinstance(weight, str):
        return weight, 1.0
    if isinstance(weight, WeightOf):
        return weight.of, weight.times
    return None


def simplex_members(space: Space, searched: Iterable[str]) -> tuple[str, ...]:
    """Return the parameters that sum to one total, of all that are searched; none for a box."""
    if isinstance(space, Simplex):
        return space.simplex
    return tuple(searched) if space == "simplex" else ()


def simplex_total(space: Space) -> float:
    """Return what the members of a simplex sum to."""
    return space.total if isinstance(space, Simplex) else 1.0


def spelled_out(definition: StudyDefinition) -> Space:
    """Return the definition's space with its members named, in the order of the parameters: one text for one meaning."""
    members = simplex_members(definition.search.space, searched_weights(definition))
    if not members:
        return "box"
    ordered = tuple(path for path in searched_weights(definition) if path in members)
    return Simplex(simplex=ordered, total=simplex_total(definition.search.space))


def used_weights(
    definition: StudyDefinition, drawn: Mapping[str, float], divisors: Mapping[str, float] = MappingProxyType({})
) -> dict[str, float]:
    """Return every term's weight under the drawn parameters, fixed ones too; a simplex's members are scaled first.

    `divisors` are what losses are divided by (`search.planning.initial_values`); their weights are too, so that drawn ones compare
    like with like.
    """
    members = simplex_members(definition.search.space, searched_weights(definition))
    scaled = onto_simplex({path: drawn[path] for path in members}, simplex_total(definition.search.space)) if members else {}
    weights = term_weights(definition, {**drawn, **scaled})
    return {path: weight / divisors.get(path, 1.0) for path, weight in weights.items()}


def term_weights(definition: StudyDefinition, values: Mapping[str, float]) -> dict[str, float]:
    """Return every term's weight under the parameters' values as they are, fixed ones too."""
    return {term.path: _used(term, values) for term in terms(definition)}


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
    if all(weight.current is None for weight in parameters(definition).values()):
        return None
    weights = {path: _current(definition, path, weight) for path, weight in searched_weights(definition).items()}
    return weights | usual_arguments(definition)


def _current(definition: StudyDefinition, path: str, weight: SharedWeight) -> float:
    if weight.current is not None:
        return weight.current
    readers = [term for term in terms(definition) if term.path == path or (shared_by(term.weight) or ("",))[0] == path]
    return 1.0 if any(term.kind == "loss" for term in readers) else 0.0


def usual_arguments(definition: StudyDefinition) -> dict[str, float]:
    """Return what a training without a search takes for every searched parameter that is no weight.

    Its `current`; else the catalog's default where that may be drawn; else the middle of what may be drawn, on its scale.
    """
    weights = searched_weights(definition)
    return {path: _usual(definition, path, span) for path, span in parameters(definition).items() if path not in weights}


def _usual(definition: StudyDefinition, path: str, span: SharedWeight) -> float:
    if span.current is not None:
        return span.current
    if (default := _default_argument(definition, path)) is not None and span.may_be(default):
        return default
    return middle_of(span)


def middle_of(span: SharedWeight) -> float:
    """Return the middle of a range on its scale; of values, the one in the middle of their order."""
    if isinstance(span, WeightChoice):
        return sorted(span.values)[(len(span.values) - 1) // 2]
    if span.scale == "log":
        return min(max(math.sqrt(span.low) * math.sqrt(span.high), span.low), span.high)
    return (span.low + span.high) / 2


def _default_argument(definition: StudyDefinition, path: str) -> float | None:
    head, _, name = path.rpartition(".")
    if head == OPTIMIZER:
        entry: catalog.Entry | None = catalog.find_optimizer(definition.training.optimizer.name)
    else:
        part = next((term.part for term in terms(definition) if term.path == head), None)
        entry = None if part is None else catalog.find_loss(part.loss) if isinstance(part, Loss) else find_penalty_of(part)
    parameter = entry.parameter(name) if entry is not None else None
    return float(parameter.default) if parameter is not None and isinstance(parameter.default, int | float) else None


def grid_size(definition: StudyDefinition) -> int:
    """Return how many points the definition's grid has."""
    return points_of_grid(parameters(definition), simplex_members(definition.search.space, searched_weights(definition)))


def points_of_grid(searched: Mapping[str, SharedWeight], members: Sequence[str]) -> int:
    """Return how many points a grid has: the product of the parameters' points, a simplex's members counting as one lattice."""
    box = math.prod(_points(weight) for path, weight in searched.items() if path not in members)
    return box * (lattice_size(*_lattice([searched[path] for path in members])) if members else 1)


def _lattice(members: Iterable[SharedWeight]) -> tuple[int, list[int]]:
    """Return the steps of a simplex's lattice, and how many each member has at least: one where its low is above 0."""
    ranges = list(members)
    return _points(ranges[0]) - 1, [0 if isinstance(weight, WeightRange) and weight.low == 0 else 1 for weight in ranges]


def _points(weight: SharedWeight) -> int:
    return len(weight.values) if isinstance(weight, WeightChoice) else weight.points or 0


def grid_point(definition: StudyDefinition, index: int) -> dict[str, float]:
    """Return the parameters of grid point `index`, from 0; the last parameter changes fastest, and a simplex before all others."""
    searched = parameters(definition)
    members = simplex_members(definition.search.space, searched_weights(definition))
    drawn: dict[str, float] = {}
    if members:
        steps, least = _lattice([searched[path] for path in members])
        index, place = divmod(index, lattice_size(steps, least))
        total = simplex_total(definition.search.space)
        drawn = {path: total * count / steps for path, count in zip(members, lattice_point(steps, least, place), strict=True)}
    for path, weight in reversed([(path, weight) for path, weight in searched.items() if path not in members]):
        axis = weight.grid()
        index, place = divmod(index, len(axis))
        drawn[path] = axis[place]
    return {path: drawn[path] for path in searched}


def trial_budget(definition: StudyDefinition) -> int:
    """Return how many search trials the definition asks for."""
    if definition.search.trials is not None:
        return definition.search.trials
    return grid_size(definition) if is_grid(definition.search.sampler) else DEFAULT_TRIALS
