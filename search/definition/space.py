"""What a definition asks to be searched: its terms, its parameters, and the weights that drawn values give."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
        """The term's weight as the definition has it: a number, a range, values, or a shared weight."""
        return self.part.weight

    def reads(self, parameter: str) -> bool:
        """Return whether the term's weight is this parameter: its own path, or the shared weight that it refers to."""
        return parameter in (self.path, (shared_by(self.weight) or ("",))[0])

    def used(self, values: Mapping[str, float]) -> float:
        """Return the term's weight under the parameters' values."""
        if reference := shared_by(self.weight):
            name, times = reference
            return values[name] * times
        if isinstance(self.weight, WeightRange | WeightChoice):
            return values[self.path]
        return float(self.weight)  # type: ignore[arg-type]  # the tagged union leaves a number


@dataclass(frozen=True)
class SearchSpace:
    """The space that a definition searches. Each part is computed at its first use, once.

    Parameter paths: a shared weight's name, a term's path, `<either>.schedule.fraction` and `.schedule.shape` (its index in the
    list), `<term>.<argument>`, `optimizer.<argument>`.
    """

    definition: StudyDefinition

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The terms: losses in the order of the tasks, then penalties."""
        tasks, penalties = self.definition.tasks, self.definition.penalties
        losses = [Term(f"{task.name}.{loss.name}", "loss", task, loss) for task in tasks for loss in task.losses]
        return (*losses, *(Term(penalty.name, "penalty", None, penalty) for penalty in penalties))

    @cached_property
    def weights(self) -> Mapping[str, SharedWeight]:
        """The searched weights by parameter path: shared ones by their name, others by their term's path."""
        own = {term.path: term.weight for term in self.terms if isinstance(term.weight, WeightRange | WeightChoice)}
        # In one order however a client or a database orders keys, so that equal hashes mean equal searches.
        return dict(sorted(self.definition.weights.items())) | own

    @cached_property
    def arguments(self) -> Mapping[str, SharedWeight]:
        """The searched arguments by parameter path: those of terms, then those of the optimizer."""
        found: dict[str, SharedWeight] = {}
        for term in self.terms:
            found |= dict(ranges_in(term.path, term.part.config))
        return found | dict(ranges_in(OPTIMIZER, self.definition.training.optimizer.config))

    @cached_property
    def parameters(self) -> Mapping[str, SharedWeight]:
        """All that is searched, by parameter path: weights, then what their schedules leave open, then arguments."""
        found = dict(self.weights)
        for path, weight in self.weights.items():
            found |= _open_in_schedule(path, weight.schedule)
        return found | dict(self.arguments)

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The parameters that sum to one total; none for a box."""
        return simplex_members(self.definition.search.space, self.weights)

    @property
    def total(self) -> float:
        """The sum of the members of the simplex."""
        return simplex_total(self.definition.search.space)

    @property
    def spelled_out(self) -> Space:
        """The definition's space with its members named, in the order of the parameters: one text for one meaning."""
        if not self.members:
            return "box"
        return Simplex(simplex=tuple(path for path in self.weights if path in self.members), total=self.total)

    # What drawn values give

    def schedules(self, drawn: Mapping[str, float]) -> dict[str, AppliedSchedule]:
        """Return the schedules of a trial with these parameters, by term path; a weight without one is left out."""
        found: dict[str, AppliedSchedule] = {}
        for term in self.terms:
            reference = shared_by(term.weight)
            path = reference[0] if reference else term.path
            schedule = self.weights[path].schedule if path in self.weights else None
            if schedule is not None:
                found[term.path] = _applied(path, schedule, drawn)
        return found

    def drawn_arguments(self, drawn: Mapping[str, float]) -> dict[str, float]:
        """Return the searched arguments of a trial by parameter path: `<term>.<argument>`, `optimizer.learning_rate`."""
        return {path: drawn[path] for path in self.arguments if path in drawn}

    def used_weights(self, drawn: Mapping[str, float], divisors: Mapping[str, float] = MappingProxyType({})) -> dict[str, float]:
        """Return every term's weight under the drawn parameters, fixed ones too; a simplex's members are scaled first.

        `divisors` are what losses are divided by (`search.planning.initial_values`); their weights are too, so that drawn ones
        compare like with like.
        """
        scaled = onto_simplex({path: drawn[path] for path in self.members}, self.total) if self.members else {}
        weights = self.term_weights({**drawn, **scaled})
        return {path: weight / divisors.get(path, 1.0) for path, weight in weights.items()}

    def term_weights(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return every term's weight under the parameters' values as they are, fixed ones too."""
        return {term.path: term.used(values) for term in self.terms}

    # What a training without a search takes

    def current_parameters(self) -> dict[str, float] | None:
        """Return the parameters that the user uses today, or None where the definition names none.

        Where only some ranges name a `current`, the others count as Keras counts a term nobody weighs: 1 for a loss; 0 for a
        penalty, which plain Keras does not have.
        """
        if all(weight.current is None for weight in self.parameters.values()):
            return None
        return {path: self._current(path, weight) for path, weight in self.weights.items()} | self.usual_arguments()

    def _current(self, path: str, weight: SharedWeight) -> float:
        if weight.current is not None:
            return weight.current
        return 1.0 if any(term.kind == "loss" for term in self.terms if term.reads(path)) else 0.0

    def usual_arguments(self) -> dict[str, float]:
        """Return what a training without a search takes for every searched parameter that is no weight.

        Its `current`; else the catalog's default where that may be drawn; else the middle of what may be drawn, on its scale.
        """
        return {path: self._usual(path, span) for path, span in self.parameters.items() if path not in self.weights}

    def _usual(self, path: str, span: SharedWeight) -> float:
        if span.current is not None:
            return span.current
        if (default := self._default_argument(path)) is not None and span.may_be(default):
            return default
        return middle_of(span)

    def _default_argument(self, path: str) -> float | None:
        head, _, name = path.rpartition(".")
        entry: catalog.Entry | None = None
        if head == OPTIMIZER:
            entry = catalog.find_optimizer(self.definition.training.optimizer.name)
        elif (part := next((term.part for term in self.terms if term.path == head), None)) is not None:
            entry = catalog.find_loss(part.loss) if isinstance(part, Loss) else find_penalty_of(part)
        parameter = entry.parameter(name) if entry is not None else None
        return float(parameter.default) if parameter is not None and isinstance(parameter.default, int | float) else None

    # A grid

    @property
    def is_grid(self) -> bool:
        """Whether the sampler is a grid."""
        return is_grid(self.definition.search.sampler)

    def grid_size(self) -> int:
        """Return how many points the grid has."""
        return points_of_grid(self.parameters, self.members)

    def grid_point(self, index: int) -> dict[str, float]:
        """Return the parameters of grid point `index`, from 0; the last parameter changes fastest, a simplex before all others."""
        drawn: dict[str, float] = {}
        if self.members:
            steps, least = _lattice([self.parameters[path] for path in self.members])
            index, place = divmod(index, lattice_size(steps, least))
            counts = lattice_point(steps, least, place)
            drawn = {path: self.total * count / steps for path, count in zip(self.members, counts, strict=True)}
        for path, weight in reversed([(path, weight) for path, weight in self.parameters.items() if path not in self.members]):
            axis = weight.grid()
            index, place = divmod(index, len(axis))
            drawn[path] = axis[place]
        return {path: drawn[path] for path in self.parameters}

    def trial_budget(self) -> int:
        """Return how many search trials the definition asks for."""
        if self.definition.search.trials is not None:
            return self.definition.search.trials
        return self.grid_size() if self.is_grid else DEFAULT_TRIALS


def _open_in_schedule(path: str, schedule: Schedule | None) -> dict[str, SharedWeight]:
    """Return what a weight's schedule leaves to the search, by parameter path."""
    found: dict[str, SharedWeight] = {}
    if schedule is not None and isinstance(schedule.fraction, FractionRange):
        found[f"{path}.schedule.fraction"] = WeightRange(low=schedule.fraction.low, high=schedule.fraction.high, scale="linear")
    if schedule is not None and isinstance(schedule.shape, tuple):
        found[f"{path}.schedule.shape"] = WeightChoice(values=tuple(float(i) for i in range(len(schedule.shape))))
    return found


def _applied(path: str, schedule: Schedule, drawn: Mapping[str, float]) -> AppliedSchedule:
    shape = schedule.shape if isinstance(schedule.shape, str) else schedule.shape[int(drawn[f"{path}.schedule.shape"])]
    open_fraction = isinstance(schedule.fraction, FractionRange)
    fraction = drawn[f"{path}.schedule.fraction"] if open_fraction else schedule.fraction
    return AppliedSchedule(shape, schedule.start, float(fraction))  # type: ignore[arg-type]


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


def middle_of(span: SharedWeight) -> float:
    """Return the middle of a range on its scale; of values, the one in the middle of their order."""
    if isinstance(span, WeightChoice):
        return sorted(span.values)[(len(span.values) - 1) // 2]
    if span.scale == "log":
        return min(max(math.sqrt(span.low) * math.sqrt(span.high), span.low), span.high)
    return (span.low + span.high) / 2


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
