"""The parts of a definition that have the right form, even where others have not, so that all errors are reported at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from search.definition.schema import Objective, Optimizer, Penalty, Search, StudyDefinition, Task, Training
from search.definition.searched_arguments import RANGE, searched_in
from search.definition.weights import SharedWeight, WeightChoice, WeightRange


@dataclass(frozen=True, slots=True)
class Parts:
    """What could be read of a definition, by place.

    `named`: every task and penalty could be read, so that all names of terms and metrics are there. `whole`: and every weight too.
    `shared` are the names of the shared weights, of faulty ones too; None where they are unknown.
    """

    workload: str | None
    options: Mapping[str, Any]
    tasks: Mapping[int, Task]
    penalties: Mapping[int, Penalty]
    weights: Mapping[str, SharedWeight]
    shared: Collection[str] | None
    objective: Objective | None
    search: Search | None
    optimizer: Optimizer | None
    training: Training | None
    named: bool
    whole: bool

    def terms(self) -> Iterator[tuple[str, str, Any, Task | None]]:
        """Yield (JSON path, term path, loss or penalty, its task)."""
        for i, task in self.tasks.items():
            for j, loss in enumerate(task.losses):
                yield f"tasks.{i}.losses.{j}", f"{task.name}.{loss.name}", loss, task
        for i, penalty in self.penalties.items():
            yield f"penalties.{i}", penalty.name, penalty, None

    def parameters(self) -> dict[str, str]:
        """Return the JSON path of every searched weight by its parameter: a shared one's name, else its term's path."""
        shared = {name: f"weights.{name}" for name in sorted(self.weights)}
        return shared | {
            path: f"{place}.weight" for place, path, part, _ in self.terms() if isinstance(part.weight, WeightRange | WeightChoice)
        }

    def searched(self) -> dict[str, SharedWeight]:
        """Return the searched weights by their JSON path."""
        own = {
            f"{place}.weight": part.weight
            for place, _, part, _ in self.terms()
            if isinstance(part.weight, WeightRange | WeightChoice)
        }
        return {f"weights.{name}": weight for name, weight in self.weights.items()} | own

    def arguments(self) -> dict[str, SharedWeight]:
        """Return the searched arguments by their JSON path; ranges that cannot be read are left out."""
        return {
            f"{place}.{name}": read
            for place, config in self.configs().items()
            for name in searched_in(config)
            if (read := _read(RANGE, config[name])) is not None
        }

    def configs(self) -> dict[str, Mapping[str, Any]]:
        """Return the configs in which arguments may be searched, by their JSON path: those of terms, then the optimizer's."""
        found = {f"{place}.config": part.config for place, _, part, _ in self.terms()}
        return found if self.optimizer is None else {**found, "training.optimizer.config": self.optimizer.config}


def parts_of(definition: StudyDefinition) -> Parts:
    """Return the parts of a definition whose every part has the right form."""
    return Parts(
        workload=definition.workload.name,
        options=definition.workload.options,
        tasks=dict(enumerate(definition.tasks)),
        penalties=dict(enumerate(definition.penalties)),
        weights=definition.weights,
        shared=frozenset(definition.weights),
        objective=definition.objective,
        search=definition.search,
        optimizer=definition.training.optimizer,
        training=definition.training,
        named=True,
        whole=True,
    )


def salvaged(document: Mapping[str, Any], error: ValidationError) -> Parts:
    """Return the parts of a faulty document that can be read each by itself; `error` says what is faulty."""
    workload = _mapping(document.get("workload"))
    tasks, penalties = document.get("tasks"), document.get("penalties", [])
    read_tasks, read_penalties = _readable(Task, tasks), _readable(Penalty, penalties)
    weights = document.get("weights", {})
    broken = {detail["loc"][0] for detail in error.errors(include_url=False, include_context=False) if detail["loc"]}
    return Parts(
        workload=workload.get("name") if isinstance(workload.get("name"), str) else None,
        options=_mapping(workload.get("options")),
        tasks=read_tasks,
        penalties=read_penalties,
        weights={name: read for name, value in _items(weights) if (read := _read(SHARED, value)) is not None},
        shared=frozenset(weights) if isinstance(weights, dict) else None,
        objective=_read(TypeAdapter(Objective), document.get("objective"), SPARE),
        search=_read(TypeAdapter(Search), document.get("search", {}), SPARE_IN_SEARCH),
        optimizer=_read(TypeAdapter(Optimizer), _mapping(document.get("training")).get("optimizer", {})),
        training=_read(TypeAdapter(Training), document.get("training", {})),
        named=bool(read_tasks) and _all(tasks, read_tasks) and _all(penalties, read_penalties),
        whole=not broken & {"tasks", "penalties", "weights"},
    )


SHARED: TypeAdapter[SharedWeight] = TypeAdapter(SharedWeight)
MAX_READ = 64


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[tuple[str, Any]]:
    return [(name, item) for name, item in _mapping(value).items() if isinstance(name, str)][:MAX_READ]


def _all(values: Any, read: Mapping[int, Any]) -> bool:
    return isinstance(values, list) and len(values) == len(read)


def _readable(model: type[Any], values: Any) -> dict[int, Any]:
    if not isinstance(values, list):
        return {}
    adapter = TypeAdapter(model)
    return {i: read for i, value in enumerate(values[:MAX_READ]) if (read := _read(adapter, value, SPARE)) is not None}


SPARE = frozenset({"weight", "from_logits", "direction", "utility", "epoch", "missing", "class_weight"})
SPARE_IN_SEARCH = frozenset({"trials", "seed", "seeds", "space", "pruner", "cohort_size", "max_attempts", "max_losses"})
"""Fields that a part is read without where they are faulty, since no check of the other fields depends on them."""


def _read(adapter: TypeAdapter[Any], value: Any, spare: Collection[str] = ()) -> Any:
    """Return the part that `value` says, if need be without its faulty fields of `spare`; None where it cannot be read."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        places = {_spared(detail["loc"], spare) for detail in error.errors(include_url=False, include_context=False)}
    if () in places:
        return None
    for place in places:
        value = _without(value, place)
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None


def _spared(location: tuple[Any, ...], spare: Collection[str]) -> tuple[Any, ...]:
    """Return `location` up to its first spare field, or nothing where it has none."""
    end = next((i + 1 for i, step in enumerate(location) if step in spare), 0)
    return () if "config" in location[:end] else location[:end]  # inside a config any name may be an argument's


def _without(value: Any, place: Sequence[Any]) -> Any:
    """Return a copy of `value` that lacks the field at `place`."""
    first, *rest = place
    if not rest:
        return {key: item for key, item in value.items() if key != first}
    if isinstance(value, list):
        return [_without(item, rest) if i == first else item for i, item in enumerate(value)]
    return {**value, first: _without(value[first], rest)}
