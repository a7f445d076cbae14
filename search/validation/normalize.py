"""From what came in a POST to the normalised definition, its stored form, and its hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from search.definition import searched_arguments
from search.definition.schema import Objective, StudyDefinition, Task
from search.definition.space import SearchSpace
from search.errors import Fault, InvalidDefinition
from search.errors import shown as as_shown
from search.objective.scoring import VALUE_PATH
from search.validation import aggregate_checks, checks
from search.validation.context import Description, ValidationContext, direction_of, matches, measured_paths
from search.validation.partial import parts_of, salvaged
from search.validation.published import PublishedPlugins, with_plugins
from search.validation.schema_errors import MAX_FAULTS, form_faults
from search.validation.warnings import beyond_settings, cautions, unordered_groups
from storage.records import TermRecord

UNHASHED = frozenset({"name", "description", "labels", "priority", "schema_"})
NO_PLUGINS = PublishedPlugins()
NO_FAILURES: Mapping[str, str] = MappingProxyType({})
BUDGET = ("trials", "stop")
"""Of the search, what may be changed of a study that is there."""
PROBLEM = frozenset({"workload", "tasks", "penalties", "objective", "training"})


@dataclass(frozen=True, slots=True)
class Normal:
    """A definition that may run, with every choice echoed, and what its user should know."""

    definition: StudyDefinition
    warnings: tuple[str, ...]


def normalise(
    document: Any,
    *,
    workloads: Mapping[str, Description | None],
    plugins: PublishedPlugins = NO_PLUGINS,
    failures: Mapping[str, str] = NO_FAILURES,
) -> Normal:
    """Return the normalised definition of a POSTed document.

    `workloads` has every known workload's published description, None where no worker has published it yet; `plugins` those from
    outside that workers published: the definition keeps the traits of those that it names. `failures` say why workers cannot
    describe a workload as it is now: a study of it is refused.
    Raises InvalidDefinition with all faults at once.
    """
    if not isinstance(document, dict):
        raise InvalidDefinition([Fault("", "a study definition (a JSON object)", as_shown(document))])
    document = with_plugins(document, plugins, _own_penalties(document, workloads))
    try:
        definition = StudyDefinition.model_validate(document)
    except ValidationError as error:
        found = form_faults(error, document)
        reported = {fault.path for fault in found}
        between = checks.faults(ValidationContext(salvaged(document, error), workloads, plugins, failures))
        raise _refused([*found, *(fault for fault in between if fault.path not in reported)]) from None
    known = ValidationContext(parts_of(definition), workloads, plugins, failures)
    if found := checks.faults(known):
        raise _refused(found)
    definition = searched_arguments.with_defaults(_echoed(definition, known))
    trials = SearchSpace(definition).trial_budget()
    warned = (*cautions(known, trials), *beyond_settings(definition, trials), *unordered_groups(document, definition))
    return Normal(definition, warned)


def _own_penalties(document: Mapping[str, Any], workloads: Mapping[str, Description | None]) -> Mapping[str, Any] | None:
    workload = document.get("workload")
    name = workload.get("name") if isinstance(workload, dict) else None
    description = workloads.get(name) if isinstance(name, str) else None
    return None if description is None else dict.fromkeys(description.get("penalties", ()))


def _refused(faults: list[Fault]) -> InvalidDefinition:
    return InvalidDefinition(faults[:MAX_FAULTS])


def _echoed(definition: StudyDefinition, known: ValidationContext) -> StudyDefinition:
    """Return the definition with what was left to us filled in: directions, `*` metrics, the aggregate, the space, the budget."""
    return definition.model_copy(
        update={
            "schema_": None,
            "tasks": tuple(_echoed_task(task, known) for task in definition.tasks),
            "objective": echoed_objective(definition.objective, known),
            "search": definition.search.model_copy(
                update={"trials": SearchSpace(definition).trial_budget(), "space": SearchSpace(definition).spelled_out}
            ),
        }
    )


def echoed_objective(objective: Objective, known: ValidationContext) -> Objective:
    """Return the objective with its `*` metrics one by one, their directions, the aggregate and its config."""
    declared = measured_paths(known)
    metrics = [
        entry.model_copy(update={"metric": path, "direction": entry.direction or direction_of(known, path)})
        for entry in objective.metrics
        for path in matches(entry.metric, declared)
    ]
    changes = {
        "metrics": tuple(metrics),
        "aggregate": objective.aggregate or "mean",
        "config": aggregate_checks.filled(objective, known),
    }
    return objective.model_copy(update=changes)


def _echoed_task(task: Task, known: ValidationContext) -> Task:
    """Return the task with its metrics' directions, and without keys that are what they are anyway: one text for one meaning."""
    metrics = [
        metric.model_copy(update={"direction": direction_of(known, f"{task.name}.{metric.name}")}) for metric in task.metrics
    ]
    losses = [loss.model_copy(update={"target": _unless(loss.target, task.used_target)}) for loss in task.losses]
    keys = {"output": _unless(task.output, task.name), "target": _unless(task.target, task.name)}
    return task.model_copy(update={**keys, "metrics": tuple(metrics), "losses": tuple(losses)})


def _unless(key: str | None, usual: str) -> str | None:
    return None if key == usual else key


def to_api(definition: StudyDefinition) -> dict[str, Any]:
    """Return the normalised document as the API shows it: every field, defaults too."""
    return definition.model_dump(mode="json", exclude={"schema_"})


def to_storage(definition: StudyDefinition) -> dict[str, Any]:
    """Return the document that SQL keeps: every field but those with columns of their own (name, texts, priority, the budget)."""
    document = definition.model_dump(mode="json", exclude=set(UNHASHED))
    document["search"].pop("trials")
    return document


def from_storage(
    document: Mapping[str, Any],
    *,
    trials: int,
    name: str | None = None,
    description: str | None = None,
    labels: Mapping[str, str] | None = None,
    priority: int = 0,
) -> StudyDefinition:
    """Return the definition whose `stored` document this is, with what its columns hold."""
    texts = {"name": name, "description": description, "labels": dict(labels or {}), "priority": priority}
    return StudyDefinition.model_validate({**document, **texts, "search": {**document["search"], "trials": trials}})


def definition_sha256(definition: StudyDefinition) -> str:
    """Hash what decides the study's result, the budget aside. Fields at their default are left out, so new ones change no hash."""
    document = definition.model_dump(mode="json", by_alias=True, exclude=set(UNHASHED), exclude_defaults=True)
    for budget in BUDGET:
        document.get("search", {}).pop(budget, None)
    return _sha256({key: value for key, value in document.items() if value != {}})


def problem_sha256(definition: StudyDefinition) -> str:
    """Hash what is trained and judged, without how it is searched: studies with the same hash may be compared."""
    return _sha256(definition.model_dump(mode="json", by_alias=True, include=set(PROBLEM), exclude_defaults=True))


def _sha256(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def changes(stored_definition: StudyDefinition, sent: StudyDefinition) -> list[dict[str, Any]]:
    """List where two definitions differ in what is hashed: `{"path", "stored", "sent"}`."""
    return list(_differences("", _hashed(stored_definition), _hashed(sent)))


def _hashed(definition: StudyDefinition) -> dict[str, Any]:
    document = to_storage(definition)
    document["search"].pop("stop")
    return document


def _differences(path: str, left: Any, right: Any) -> Iterator[dict[str, Any]]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}):
            inner = f"{path}.{key}".lstrip(".")
            if key in left and key in right:
                yield from _differences(inner, left[key], right[key])
            else:
                yield {"path": inner, "stored": left.get(key), "sent": right.get(key)}
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for i, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from _differences(f"{path}.{i}", one, other)
    elif left != right:
        yield {"path": path, "stored": left, "sent": right}


def term_records(definition: StudyDefinition) -> tuple[TermRecord, ...]:
    """List all that a study measures: raw terms, violations, metrics and an aggregate from outside, with their directions."""
    known = ValidationContext(parts_of(definition), {})
    tasks = {task.name for task in definition.tasks}
    kinds = {term.path: term.kind for term in SearchSpace(definition).terms}
    found = [
        TermRecord(
            path=path,
            kind=kinds.get(path, "metric"),
            direction=direction_of(known, path) or _direction_wanted(definition, path),
            task=head if (head := path.partition(".")[0]) in tasks else None,
        )
        for path in measured_paths(known)
    ]
    if definition.objective.plugin is not None:  # what its aggregate gives is measured like a metric: only workers can compute it
        found.append(TermRecord(path=VALUE_PATH, kind="metric", direction="maximize", task=None))
    return tuple(found)


def _direction_wanted(definition: StudyDefinition, path: str) -> str:
    """Return the direction that the objective gives to a metric nobody else knows; greater is better where it is not even named."""
    return next((entry.direction for entry in definition.objective.metrics if entry.metric == path and entry.direction), "maximize")
