"""Write the study definition of a call: tasks and terms from `compile`'s arguments, ranges, objective, search and training."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.catalog import find_loss, find_metric
from search.definition.weights import MAX_WEIGHT
from search.names import listed, nearest
from search.training.user.compiled import CompiledLoss, CompiledMetric, Head, legal
from steelyard.door.refusals import refused

TIMES = 100.0
"""A default range goes from a hundredth of the smallest to a hundred times the largest of 1, yours, and the inverse loss ratio."""

CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")


@dataclass(frozen=True)
class WeightedTerm:
    """A term whose weight may be searched. `yours` is its weight today; None for a penalty that `compile` does not have."""

    path: str
    names: tuple[str, ...]  # by which a user may name it
    yours: float | None
    output: str | None = None


@dataclass(frozen=True)
class Tasks:
    """The tasks of a definition without their weights, and what was left out of them.

    own: the user's losses and metrics by name. notes: what should be said aloud.
    """

    documents: tuple[dict[str, Any], ...]
    terms: tuple[WeightedTerm, ...]
    own: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]


def tasks_of(heads: Sequence[Head], targets: Collection[str], penalties: Collection[str], read: bool) -> Tasks:
    """Return a task for each output that has a loss or a metric. read: penalties may read the others too."""
    own: dict[str, dict[str, Any]] = {"losses": {}, "metrics": {}}
    documents, terms, notes = [], [], []
    names: set[str] = set(penalties)
    for head in heads:
        if not (head.losses or head.metrics or (read and not any(other.losses for other in heads))):
            continue
        name = _unique(legal(head.key, "output"), names)
        logits = _logits(head)
        document: dict[str, Any] = {"name": name}
        if head.key != name:
            document["output"] = head.key
        if head.key != name and head.key in targets:
            document["target"] = head.key
        if head.losses and head.key not in targets:
            raise refused("y", f"output {head.key!r} has a loss, and y has no labels for it; y has {listed(targets)}")
        if logits:
            document["from_logits"] = True
            if head.metrics:
                notes.append(f"metrics of {head.key} are measured on probabilities, since its loss or a metric reads logits")
        document["losses"] = [_loss_entry(loss, own) for loss in head.losses]
        taken = {loss.name for loss in head.losses}
        document["metrics"] = [_metric_entry(metric, taken, own, logits) for metric in head.metrics]
        terms += [_term(name, head, loss) for loss in head.losses]
        documents.append(document)
    return Tasks(tuple(documents), tuple(terms), own, tuple(notes))


LABELS = ("missing", "class_weight")
"""The fields of a task that say how its labels count."""


def with_labels(task: Mapping[str, Any], marks: Mapping[str, Any], classes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task with what marks its missing labels and how its classes count, each given by target."""
    key = task.get("target", task["name"])
    given = {field: by_target[key] for field, by_target in zip(LABELS, (marks, classes), strict=True) if key in by_target}
    return {**task, **given}


def _term(task: str, head: Head, loss: CompiledLoss) -> WeightedTerm:
    alone = (head.key, head.compile_key, task) if len(head.losses) == 1 else ()
    return WeightedTerm(f"{task}.{loss.name}", (f"{task}.{loss.name}", *alone), loss.weight, head.compile_key)


def _unique(name: str, names: set[str]) -> str:
    found, number = name, 1
    while found in names:
        number += 1
        found = f"{name}_{number}"
    names.add(found)
    return found


def _logits(head: Head) -> bool:
    """Return whether the output gives logits, by its losses or, where these do not say, by its metrics. Refuses what disagrees."""
    given = {loss.from_logits for loss in head.losses if loss.from_logits is not None}
    if len(given) > 1:
        text = f"its losses disagree: {listed(loss.name for loss in head.losses)} do not have the same from_logits"
        raise refused(f"output {head.key!r}", text)
    measured = [metric.name for metric in head.metrics if metric.from_logits]
    if measured and given == {False}:
        raise refused(f"output {head.key!r}", f"its loss reads probabilities, and {listed(measured)} says from_logits=True")
    if given != {True} and not measured:
        return False
    for loss in head.losses:
        entry = None if loss.own is not None else find_loss(loss.loss)
        if entry is not None and not (entry.knows_logits or entry.takes_raw_output):
            text = f"{loss.name} reads probabilities, and {listed(measured) or 'another loss of it'} says from_logits=True"
            raise refused(
                f"output {head.key!r}", f"{text}: put the sigmoid or softmax into the model, or into a loss function of yours"
            )
    return True


def _loss_entry(loss: CompiledLoss, own: dict[str, dict[str, Any]]) -> dict[str, Any]:
    name = loss.loss if loss.own is None else _own(own["losses"], loss.loss, loss.own)
    return {"name": loss.name, "loss": name, **({"config": dict(loss.config)} if loss.config else {})}


def _metric_entry(metric: CompiledMetric, taken: set[str], own: dict[str, dict[str, Any]], logits: bool) -> dict[str, Any]:
    name = _unique(metric.name, taken)
    used = metric.metric if metric.own is None else _own(own["metrics"], metric.metric, metric.own)
    config = _of_probabilities(metric.config) if logits else dict(metric.config)
    return {"name": name, "metric": used, **({"config": config} if config else {})}


def _of_probabilities(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a metric's arguments with a threshold that only logits can have, 0 above all, as the probability of that logit."""
    logits = {name: config[name] for name in ("threshold", "thresholds") if isinstance(config.get(name), int | float)}
    moved = {name: (1 + math.tanh(value / 2)) / 2 for name, value in logits.items() if not 0 < value <= 1}
    return {**config, **moved}


def _own(known: dict[str, Any], name: str, given: Any) -> str:
    """Return the name under which a term of the user's stands: one name for the same function, another for another."""
    found, number = name, 1
    while found in known and known[found] is not given:
        number += 1
        found = f"{name}_{number}"
    known[found] = given
    return found


# Weights


@dataclass(frozen=True)
class Weights:
    """What is searched: a weight by term path, the search's space, and the sentences that say what was chosen.

    default: the paths whose range was chosen here.
    """

    by_path: Mapping[str, Any]
    space: Any
    notes: tuple[str, ...]
    default: tuple[str, ...]


def given_weights(terms: Sequence[WeightedTerm], ranges: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the weights that the user chose, by term path, as a definition has them. Raises ValidationError."""
    found: dict[str, Any] = {}
    for key, value in (ranges or {}).items():
        several = [term for term in terms if term.output == key or str(term.path).startswith(f"{key}.")]
        term = next((term for term in terms if key in term.names), None)
        if term is not None:
            found[term.path] = _weight(term, value, f"weight_ranges[{key!r}]")
        elif several and isinstance(value, list) and len(value) == len(several):
            found |= {each.path: _weight(each, one, f"weight_ranges[{key!r}]") for each, one in zip(several, value, strict=True)}
        elif several:
            raise refused(f"weight_ranges[{key!r}]", f"it has several losses: name them by {listed(term.path for term in several)}")
        else:
            known = [name for term in terms for name in term.names]
            meant = nearest(str(key), known)
            hint = f" (did you mean {meant!r}?)" if meant else ""
            raise refused(
                f"weight_ranges[{key!r}]",
                f"no output, loss or penalty of that name; there are {listed(dict.fromkeys(known))}{hint}",
            )
    return found


def _weight(term: WeightedTerm, value: Any, at: str) -> Any:
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise refused(at, f"(low, high), got {value!r}")
        value = {"low": float(value[0]), "high": float(value[1])}
    if isinstance(value, Mapping) and not ({"of", "times"} & set(value)) and term.yours is not None:
        return {"current": term.yours, **value}
    return dict(value) if isinstance(value, Mapping) else float(value) if isinstance(value, int) else value


def chosen_weights(
    terms: Sequence[WeightedTerm], given: Mapping[str, Any], initial: Mapping[str, float], optimizer: Mapping[str, Any]
) -> Weights:
    """Return a weight for each term: the user's, or a default range around 1, yours, and the ratio of the initial losses.

    initial: each term's value before training. One weight stays as it is, unless steps depend on the sum of all.
    """
    losses = [term for term in terms if term.yours is not None]
    if not given and len(losses) > 1 and _depends_on_sum(optimizer):
        return _constant_sum(terms, losses, initial)
    fixed_by_user = any(isinstance(given.get(term.path), int | float) for term in losses)
    anchor = None if fixed_by_user else next((term for term in losses if term.path not in given and term.yours), None)
    found, notes, default = dict(given), [], []
    if anchor is not None:
        found[anchor.path] = anchor.yours
        notes.append(f"the weight of {anchor.path} stays {anchor.yours:g}: only ratios matter")
    for term in terms:
        if term.path in found:
            continue
        found[term.path] = _default(term, anchor or _unit(losses), initial)
        default.append(term.path)
    if default:
        ranges = ", ".join(f"{path} {found[path]['low']:g} to {found[path]['high']:g}" for path in default)
        notes.append(f"default ranges: {ranges}")
    left_out = [term.path for term in terms if term.path in default and term.yours == 0]
    if left_out:
        notes.append(
            f"your weight of {listed(left_out)} is 0, outside the default range: it is compared as yours, and never drawn; "
            'weight_ranges={...: {"low": 0, "high": ...}} draws it too'
        )
    return Weights(found, "box", tuple(notes), tuple(default))


def _unit(losses: Sequence[WeightedTerm]) -> WeightedTerm | None:
    return losses[0] if losses else None


def _default(term: WeightedTerm, anchor: WeightedTerm | None, initial: Mapping[str, float]) -> dict[str, Any]:
    unit = (anchor.yours if anchor is not None else None) or 1.0
    around = [unit, *([term.yours] if term.yours else [])]
    here, there = initial.get(term.path, 0.0), initial.get(anchor.path, 0.0) if anchor is not None else 0.0
    if here > 0 and there > 0 and math.isfinite(here + there):
        around.append(unit * there / here)
    if max(around) > MAX_WEIGHT and anchor is not None:
        text = f"its loss begins at {here:.2g} and that of {anchor.path} at {there:.2g}, too far apart for a default range"
        raise refused(term.path, f"{text}: scale the labels, or pass weight_ranges={{{term.path!r}: (low, high)}}")
    low, high = _round(min(around) / TIMES), min(_round(max(around) * TIMES), MAX_WEIGHT)
    return {"low": low, "high": high, **({} if term.yours is None else {"current": term.yours})}


def _round(value: float) -> float:
    return float(f"{value:.2g}")


def _depends_on_sum(optimizer: Mapping[str, Any]) -> bool:
    config = optimizer.get("config") or {}
    return optimizer.get("name") == "sgd" or any(config.get(name) for name in CLIPPING)


def _constant_sum(terms: Sequence[WeightedTerm], losses: Sequence[WeightedTerm], initial: Mapping[str, float]) -> Weights:
    """Return ranges whose members have the sum of yours: with SGD or clipping a larger sum is a larger step."""
    total = math.fsum(term.yours or 0.0 for term in losses)
    found = {term.path: _default(term, None if term is losses[0] else losses[0], initial) for term in losses}
    found |= {term.path: _default(term, losses[0], initial) for term in terms if term.path not in found}
    space = {"simplex": [term.path for term in losses], "total": total or float(len(losses))}
    note = f"the weights' sum stays {space['total']:g}: with SGD or clipped gradients it decides how large steps are"
    return Weights(found, space, (note,), tuple(found))


# The objective


def objective_of(
    given: Any, tasks: Sequence[Mapping[str, Any]], penalties: Sequence[str], aliases: Mapping[str, str]
) -> tuple[Any, list[str]]:
    """Return the definition's objective, and what should be said of it.

    given: None, "delta_m", a path, a list of paths, or a definition's objective. aliases: Keras's names of metrics to paths.
    """
    if isinstance(given, Mapping):
        metrics = [
            {**entry, "metric": _path(entry["metric"], aliases, tasks)} if isinstance(entry, Mapping) and "metric" in entry
            else {"metric": _path(entry, aliases, tasks)} if isinstance(entry, str) else entry
            for entry in given.get("metrics", ())
        ]  # fmt: skip
        return {**given, "metrics": metrics}, []
    if isinstance(given, list | tuple):
        return _delta(dict.fromkeys(_path(each, aliases, tasks) for each in given)), []
    if given is not None and not isinstance(given, str):
        raise refused("objective", f'"delta_m", a path, a list of paths, or a dict as in a study definition, got {given!r}')
    if given not in (None, "delta_m"):
        return {"metrics": [{"metric": _path(given, aliases, tasks)}]}, []
    able = [task for task in tasks if task["losses"]] or tasks  # the others cannot be trained alone, which delta_m compares with
    judged = [path for path in map(_first_metric, able) if path is not None]
    if not judged:
        raise refused("objective", f"no output has a metric or a loss to judge by; name one of the penalties: {listed(penalties)}")
    notes = [f"judged by {', '.join(judged)}" + (" (mean change against single-task models)" if len(judged) > 1 else "")]
    unjudged = [path for task in tasks if task not in able and (path := _first_metric(task)) is not None]
    if unjudged:
        notes.append(
            f"not judged by {', '.join(unjudged)}: without a loss it cannot be trained alone; pass an objective to judge by it"
        )
    return _delta(judged), notes


def _delta(paths: Any) -> dict[str, Any]:
    metrics = [{"metric": path} for path in paths]
    return {"aggregate": "delta_m", "metrics": metrics} if len(metrics) > 1 else {"metrics": metrics}


def _path(name: Any, aliases: Mapping[str, str], tasks: Sequence[Mapping[str, Any]]) -> Any:
    """Return the path that a name means: one of Keras's names, or a path with another name of the metric or loss (`price.mse`)."""
    if not isinstance(name, str):
        return name
    output, _, short = name.partition(".")
    task = next((each for each in tasks if each["name"] == output), None)
    if name in aliases or task is None or any(each["name"] == short for each in (*task["metrics"], *task["losses"])):
        return aliases.get(name, name)
    metric, loss = find_metric(short), find_loss(short)
    meant = [each["name"] for each in task["metrics"] if metric is not None and each["metric"] == metric.name]
    meant += [each["name"] for each in task["losses"] if loss is not None and each["loss"] == loss.name]
    return f"{output}.{meant[0]}" if meant else name


def _first_metric(task: Mapping[str, Any]) -> str | None:
    """Return the path of a task's first metric whose direction is known, else of its first loss."""
    for metric in task["metrics"]:
        entry = find_metric(metric["metric"])
        if entry is not None and entry.direction is not None:
            return f"{task['name']}.{metric['name']}"
    return f"{task['name']}.{task['losses'][0]['name']}" if task["losses"] else None


def keras_names(tasks: Sequence[Mapping[str, Any]], heads: Sequence[Head]) -> dict[str, str]:
    """Return the paths that Keras's names of metrics mean, `val_topic_accuracy` and the like."""
    by_key = {head.key: head for head in heads}
    found: dict[str, str] = {}
    for task in tasks:
        head = by_key[task.get("output", task["name"])]
        numbers = _numbers(task, head)
        if len(task["losses"]) == 1:
            numbers.setdefault("loss", f"{task['name']}.{task['losses'][0]['name']}")
        for name, path in numbers.items():
            alone = () if name == "loss" or len(tasks) > 1 else (name,)
            for keras_name in (f"{head.compile_key}_{name}", f"{task['name']}_{name}", *alone):
                found |= {keras_name: path, f"val_{keras_name}": path}
    return found


def _numbers(task: Mapping[str, Any], head: Head) -> dict[str, str]:
    """Return the paths of a task's metrics by their names in it, by those without its numbers, and by Keras's own, which win.

    The second differs where a metric has its loss's name (`poisson` is `poisson_2`), the third where Keras numbers it (`auc_1`).
    """
    paths = [f"{task['name']}.{metric['name']}" for metric in task["metrics"]]
    found = {metric["name"]: path for metric, path in zip(task["metrics"], paths, strict=True)}
    found |= {metric.name: path for metric, path in zip(head.metrics, paths, strict=True)}
    return found | {metric.keras_name: path for metric, path in zip(head.metrics, paths, strict=True) if metric.keras_name}


def merged(document: Mapping[str, Any], more: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a document with other fields merged in at their places; lists are replaced."""
    found = dict(document)
    for key, value in (more or {}).items():
        before = found.get(key)
        found[key] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return found
