"""What must hold between the parts of a definition. Each check is one short function that yields faults; all of them run.

What only a loaded model can show (outputs, widths, targets) is in `search.validation.workload_checks`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from search import catalog
from search.catalog.plugins import AGGREGATE_KIND, PENALTY_KIND, PRUNER_KIND, RULE_KIND, SAMPLER_KIND, rule_of
from search.definition.plugins import find_penalty_of, is_grid
from search.definition.schema import Loss, Objective, Penalty, Search
from search.definition.searched_arguments import searched_in
from search.definition.space import points_of_grid, shared_by, simplex_members
from search.definition.weights import FractionRange, SharedWeight, WeightRange
from search.errors import Fault
from search.names import listed, nearest
from search.objective.scoring import is_pareto
from search.validation import aggregate_checks, anchor_checks, range_checks, simplex_checks, workload_checks
from search.validation.context import ValidationContext, direction_of, is_weighted, matches, measured_paths, resolve

MAX_GRID = 100_000

WEIGHTED = (
    "an unweighted per-task metric: a weighted loss depends on the searched weights, so minimising it only drives them to their "
    "lower bounds (the same model has another loss under other weights)"
)


def faults(known: ValidationContext) -> list[Fault]:
    """Return everything that is wrong between the parts."""
    return [fault for check in CHECKS for fault in check(known)]


def objective_faults(known: ValidationContext) -> list[Fault]:
    """Return what is wrong with the objective alone: a stored study may be judged by another."""
    checks = (_aggregate, aggregate_checks.faults, anchor_checks.bound_faults, _objective, range_checks.objective_faults)
    return [fault for check in checks for fault in check(known)]


def _workload(known: ValidationContext) -> Iterator[Fault]:
    name = known.parts.workload
    if name is not None and name not in known.workloads:
        names = listed(known.workloads)
        yield Fault("workload.name", f"a registered workload ({names}); a worker publishes its own when it starts", repr(name),
                    nearest(name, known.workloads))  # fmt: skip
    elif name is not None and name in known.failures:
        yield Fault("workload.name", f"a workload that can be described, which {name!r} cannot be now", known.failures[name])


def _options(known: ValidationContext) -> Iterator[Fault]:
    schema = (known.description or {}).get("options")
    allowed = (schema or {}).get("properties")
    if allowed is None or (schema or {}).get("additionalProperties"):
        return
    for option in known.parts.options:
        if option not in allowed:
            yield Fault(f"workload.options.{option}", f"one of the options {listed(allowed)}", "an unknown option",
                        nearest(option, allowed))  # fmt: skip


def _names(known: ValidationContext) -> Iterator[Fault]:
    tasks = {f"tasks.{i}.name": task.name for i, task in known.parts.tasks.items()}
    penalties = {f"penalties.{i}.name": penalty.name for i, penalty in known.parts.penalties.items()}
    shared = {f"weights.{name}": name for name in known.parts.weights}
    yield from _repeated(tasks | penalties | shared, "a name that no other task, penalty or shared weight bears")
    for i, task in known.parts.tasks.items():
        inside = {f"tasks.{i}.losses.{j}.name": loss.name for j, loss in enumerate(task.losses)}
        inside |= {f"tasks.{i}.metrics.{j}.name": metric.name for j, metric in enumerate(task.metrics)}
        yield from _repeated(inside, "a name that no other loss or metric of the task bears")


def _repeated(names: Mapping[str, str], expected: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for path, name in names.items():
        if name in seen:
            yield Fault(path, expected, repr(name))
        seen.add(name)


def _losses(known: ValidationContext) -> Iterator[Fault]:
    for i, task in known.parts.tasks.items():
        for j, loss in enumerate(task.losses):
            entry = catalog.find_loss(loss.loss)
            yield from _named(known, f"tasks.{i}.losses.{j}", "loss", loss, entry, catalog.LOSS_NAMES)


def _metrics(known: ValidationContext) -> Iterator[Fault]:
    for i, task in known.parts.tasks.items():
        for j, metric in enumerate(task.metrics):
            path, own = f"tasks.{i}.metrics.{j}", known.own("metrics")
            resolved = resolve(known, task, metric)
            if resolved is not None:
                yield from range_checks.config_faults(resolved[0], metric.config, f"{path}.config")
            elif own is not None and metric.metric not in own:
                yield catalog.unresolved(metric.metric, f"{path}.metric")


def _penalties(known: ValidationContext) -> Iterator[Fault]:
    for i, penalty in known.parts.penalties.items():
        entry = find_penalty_of(penalty)
        yield from _named(known, f"penalties.{i}", "penalty", penalty, entry, known.plugins.names(PENALTY_KIND))
        if penalty.penalty in (known.own("penalties") or ()):
            if penalty.between is not None:
                expected = f"nothing: {penalty.penalty} is the workload's own and reads the batch itself"
                yield Fault(f"penalties.{i}.between", expected, "two selectors")
        elif entry is not None and penalty.between is None:
            yield Fault(f"penalties.{i}.between", f"two selectors: {penalty.penalty} compares two sides", "nothing")


def _named(
    known: ValidationContext, path: str, kind: str, part: Loss | Penalty, entry: catalog.Entry | None, names: Sequence[str]
) -> Iterator[Fault]:
    """Check a name and its config against the catalog, or the name against the workload's own."""
    name, own = getattr(part, kind), known.own("losses" if kind == "loss" else "penalties")
    if entry is not None and name not in (own or ()):
        yield from range_checks.config_faults(entry, part.config, f"{path}.config")
        return
    yield from range_checks.own_faults(part, f"{path}.config")
    if own is not None and name not in own:
        every = [*names, *own]
        got = repr(name) + (known.plugins.why_not(PENALTY_KIND, name) if kind == "penalty" else "")
        yield Fault(f"{path}.{kind}", f"one of {listed(every, 60)}", got, nearest(name, every))


def _optimizer(known: ValidationContext) -> Iterator[Fault]:
    chosen = known.parts.optimizer
    if chosen is None:
        return
    entry = catalog.find_optimizer(chosen.name)
    if entry is None:
        yield Fault("training.optimizer.name", f"one of {listed(catalog.OPTIMIZER_NAMES, 60)}", repr(chosen.name),
                    nearest(chosen.name, catalog.OPTIMIZER_NAMES))  # fmt: skip
    else:
        yield from range_checks.config_faults(entry, chosen.config, "training.optimizer.config")


def _sampler(known: ValidationContext) -> Iterator[Fault]:
    if known.parts.search is None:
        return
    chosen = known.parts.search.sampler
    entry = catalog.find_sampler(chosen.name, chosen.plugin)
    if entry is None:
        yield _unknown("search.sampler.name", chosen.name, SAMPLER_KIND, known)
    else:
        yield from range_checks.config_faults(entry, chosen.config, "search.sampler.config")


def _normalize(known: ValidationContext) -> Iterator[Fault]:
    """Refuse to divide by the initial value of a loss that can be negative: its sign would turn the weight's."""
    if known.parts.search is None or known.parts.search.normalize is None:
        return
    for place, path, _, task in known.parts.terms():
        span = aggregate_checks.range_of(known, path)
        if task is not None and span is not None and span[0] is None:
            yield Fault(
                "search.normalize", "only losses that are never negative with initial_loss", f"{path} ({place}), which can be"
            )


def _baselines(known: ValidationContext) -> Iterator[Fault]:
    """Refuse unknown baselines, and weighting rules that are not defined for a loss or penalty that can be negative."""
    for i, name in enumerate((known.parts.search.baselines if known.parts.search is not None else None) or ()):
        fixed = catalog.baseline_names()
        names = [*fixed, *(other for other in known.plugins.names(RULE_KIND) if other not in fixed)]
        if name not in names:
            got = repr(name) + known.plugins.why_not(RULE_KIND, name)
            yield Fault(f"search.baselines.{i}", f"one of {listed(names)}", got, nearest(name, names))
            continue
        outside = known.plugins.traits.get((RULE_KIND, name))
        rule = catalog.find_weighting_rule(name) or (rule_of(outside) if outside is not None else None)
        for place, path, _, _ in known.parts.terms() if rule is not None and rule.domain != "any" else ():
            span = aggregate_checks.range_of(known, path)
            if span is not None and span[0] is None:
                expected = f"a rule that is defined for negative losses: {name} is not"
                yield Fault(f"search.baselines.{i}", expected, f"{path} ({place}), which can be negative")


def _pruner(known: ValidationContext) -> Iterator[Fault]:
    chosen = known.parts.search.pruner if known.parts.search is not None else None
    if chosen is None:
        return
    entry = catalog.find_pruner(chosen.name, chosen.plugin)
    if entry is None:
        yield _unknown("search.pruner.name", chosen.name, PRUNER_KIND, known)
        return
    yield from range_checks.config_faults(entry, chosen.config, "search.pruner.config")
    objective = known.parts.objective
    if objective is not None:
        yield from _pruner_of(objective, entry, known)


def _pruner_of(objective: Objective, pruner: catalog.PrunerEntry, known: ValidationContext) -> Iterator[Fault]:
    """Check that a pruner can judge by the objective: by its value, or metric by metric."""
    declared = measured_paths(known)
    wanted = [entry.metric for entry in objective.metrics if entry.strategy == "optimize"]
    optimized = {path for metric in wanted for path in matches(metric, declared) or [metric]}
    by_value = [entry.name for entry in catalog.PRUNERS if entry.by_value]
    by_metric = [entry.name for entry in catalog.PRUNERS if not entry.by_value]
    if not pruner.by_value and len(optimized) < 2 and known.parts.named:
        expected = f"{_either(by_value)}: with one optimised metric nothing is a trade-off"
        yield Fault("search.pruner.name", expected, repr(pruner.name))
    if pruner.by_value and is_pareto(objective):
        expected = f"{_either(by_metric)}: under the aggregate {objective.aggregate} a trial has no one value to be judged by"
        yield Fault("search.pruner.name", expected, repr(pruner.name), by_metric[0])


def _either(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _aggregate(known: ValidationContext) -> Iterator[Fault]:
    objective = known.parts.objective
    if objective is None:
        return
    optimized = [entry for entry in objective.metrics if entry.strategy == "optimize"]
    if objective.aggregate is not None:
        if catalog.find_aggregate(objective.aggregate, objective.plugin) is None:
            yield _unknown("objective.aggregate", objective.aggregate, AGGREGATE_KIND, known)
    elif len(optimized) > 1 or any(entry.metric.startswith("*.") for entry in optimized):
        names = listed(known.plugins.names(AGGREGATE_KIND))
        yield Fault("objective.aggregate", f"one of {names}: with several optimised metrics it decides which trial wins", "nothing")
    if not optimized:
        yield Fault("objective.metrics", "at least one metric with strategy optimize", "none")


def _follows_values(known: ValidationContext) -> Iterator[Fault]:
    """Refuse a sampler that follows one value where there is none."""
    search, objective = known.parts.search, known.parts.objective
    if search is None or objective is None or not is_pareto(objective):
        return
    entry = catalog.find_sampler(search.sampler.name, search.sampler.plugin)
    if entry is not None and entry.single_valued:
        names = [other.name for other in catalog.SAMPLERS if not other.single_valued]
        expected = f"one of {listed(names)} with {objective.aggregate}: {entry.name} follows one value, and a front has none"
        yield Fault("search.sampler.name", expected, repr(entry.name))


def _unknown(path: str, name: str, kind: str, known: ValidationContext) -> Fault:
    names = known.plugins.names(kind)
    return Fault(path, f"one of {listed(names)}", repr(name) + known.plugins.why_not(kind, name), nearest(name, names))


def _stops_by_value(known: ValidationContext) -> Iterator[Fault]:
    """Refuse to stop by what a model of one value expects where there is none."""
    search, objective = known.parts.search, known.parts.objective
    stop = None if search is None else search.stop
    if objective is not None and is_pareto(objective) and stop is not None and stop.no_gain is not None:
        yield Fault("search.stop.no_gain", NO_GAIN_ON_FRONT, f"{stop.no_gain:g}")


NO_GAIN_ON_FRONT = "nothing with pareto: a front has no one value to gain in"


def _objective(known: ValidationContext) -> Iterator[Fault]:
    objective = known.parts.objective
    if objective is None:
        return
    declared = measured_paths(known)
    yield from _named_twice(objective, declared)
    for i, entry in enumerate(objective.metrics):
        path, named = f"objective.metrics.{i}.metric", matches(entry.metric, declared)
        if is_weighted(entry.metric, known.parts):
            yield Fault(path, WEIGHTED, repr(entry.metric))
        elif known.parts.named and not named:
            expected = f"a declared metric or term ({listed(declared, 60)})"
            yield Fault(path, expected, repr(entry.metric), nearest(entry.metric, declared))
        elif known.parts.named and entry.direction is None and None in [direction_of(known, name) for name in named]:
            expected = "maximize or minimize: the catalog does not know which way this metric is better"
            yield Fault(f"objective.metrics.{i}.direction", expected, "nothing")


def _named_twice(objective: Objective, declared: Sequence[str]) -> Iterator[Fault]:
    """Find metrics that count twice, by name or through a `*`."""
    seen: set[str] = set()
    for i, entry in enumerate(objective.metrics):
        named = matches(entry.metric, declared) or [entry.metric]
        if twice := seen.intersection(named):
            yield Fault(f"objective.metrics.{i}.metric", "each metric once", f"{listed(twice)} again")
        seen.update(named)


def _weights(known: ValidationContext) -> Iterator[Fault]:
    used = Counter[str]()
    for place, _, part, _ in known.parts.terms():
        reference = shared_by(part.weight)
        if reference is None:
            continue
        used[reference[0]] += 1
        shared = known.parts.shared
        if shared is not None and reference[0] not in shared:
            at = f"{place}.weight" if isinstance(part.weight, str) else f"{place}.weight.of"
            yield Fault(at, f"a shared weight ({listed(shared)})", repr(reference[0]), nearest(reference[0], shared))
    for name in known.parts.weights:
        if not used[name] and known.parts.whole:
            yield Fault(f"weights.{name}", "a shared weight that a term uses", "one that no term uses")


def _searched(known: ValidationContext) -> Iterator[Fault]:
    if not known.parts.searched() and known.parts.whole:
        yield Fault("tasks", 'at least one searched weight, such as {"low": 0.01, "high": 100}', "only fixed weights")
    if known.parts.search is not None and is_grid(known.parts.search.sampler):
        yield from _grid(known, known.parts.search)


def _grid(known: ValidationContext, search: Search) -> Iterator[Fault]:
    """Check that everything searched has points, and that they are as many as the study has trials."""
    weights, places, arguments = known.parts.searched(), known.parts.parameters(), known.parts.arguments()
    every = weights | arguments
    lacking = [path for path, each in every.items() if isinstance(each, WeightRange) and each.points is None]
    schedules = {path: weight.schedule for path, weight in weights.items() if weight.schedule is not None}
    fractions = [f"{path}.schedule.fraction" for path, each in schedules.items() if isinstance(each.fraction, FractionRange)]
    for path in lacking:
        yield Fault(f"{path}.points", "a number of points: the sampler is grid", "nothing")
    for path in fractions:
        yield Fault(path, "a number: a grid has no points of a range of fractions", "a range")
    readable = len(arguments) == sum(len(searched_in(config)) for config in known.parts.configs().values())
    if lacking or fractions or not readable or not known.parts.whole or any(simplex_checks.faults(known)):
        return
    members = [places[path] for path in simplex_members(search.space, places)]
    size = points_of_grid(every, members) * math.prod(_shapes(weight) for weight in weights.values())
    if size > MAX_GRID:
        yield Fault("search.sampler", f"a grid of at most {MAX_GRID} points", f"{size} points")
    elif search.trials is not None and search.trials != size:
        yield Fault("search.trials", f"{size} (all points of the grid), or nothing", str(search.trials))


def _shapes(weight: SharedWeight) -> int:
    """Return how many shapes of its schedule a grid tries."""
    return len(weight.schedule.shape) if weight.schedule is not None and isinstance(weight.schedule.shape, tuple) else 1


def _marks(known: ValidationContext) -> Iterator[Fault]:
    """Refuse a penalty on a target in single columns of which numbers mark missing labels: it reads all columns as one."""
    marked = {
        task.used_target for task in known.parts.tasks.values() if task.column is not None and isinstance(task.missing, float)
    }
    for i, penalty in known.parts.penalties.items():
        for j, side in enumerate(penalty.between or ()):
            if side.target in marked:
                expected = 'a target whose missing labels are NaN ("missing": "nan"): a number marks them in columns of this one'
                yield Fault(f"penalties.{i}.between.{j}.target", expected, repr(side.target))


def _tasks_are_trained(known: ValidationContext) -> Iterator[Fault]:
    read = {side.task for penalty in known.parts.penalties.values() for side in penalty.between or ()}
    own_penalties = any(penalty.between is None for penalty in known.parts.penalties.values())
    for i, task in known.parts.tasks.items():
        if known.parts.named and not task.losses and task.name not in read and not own_penalties:
            yield Fault(
                f"tasks.{i}.losses",
                "a loss (of weight 0.0, where the task is only measured), or a penalty that reads the task",
                "neither",
            )


CHECKS = (
    _workload,
    _options,
    _names,
    _losses,
    _metrics,
    _penalties,
    _optimizer,
    _sampler,
    _normalize,
    _baselines,
    _pruner,
    _aggregate,
    aggregate_checks.faults,
    anchor_checks.bound_faults,
    _follows_values,
    _stops_by_value,
    _objective,
    _weights,
    _searched,
    range_checks.faults,
    simplex_checks.faults,
    _marks,
    _tasks_are_trained,
    workload_checks.selectors,
    workload_checks.outputs,
)
