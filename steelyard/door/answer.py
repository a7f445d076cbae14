"""What a best-weights document recommends, and the same document for another setting of its study. Pure functions of documents."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from search.catalog import WEIGHTING_RULES
from search.definition.schema import Penalty, StudyDefinition, Task
from search.export.reproduction import Published, how_to_use

TUNED, YOURS, EQUAL = "tuned", "yours", "equal"
RULES = {YOURS: "current", EQUAL: "equal"}

MOVING = frozenset(rule.name for rule in WEIGHTING_RULES)
"""For documents of a version that did not say `moves` of a baseline."""

STAND_IN = "categorical_hinge"
"""Stands for a loss of the user's own where it is asked what `compile` can say."""

Best = Mapping[str, Any]


def recommended(best: Best) -> str:
    """Return what to use: "tuned", "yours", "equal" or a baseline's name.

    The document's own recommendation where it has one; else the tuned weights where fresh seeds show that they are better than
    yours (equal weights where you have none).
    """
    said = (best.get("recommended") or {}).get("pick")
    if said is not None:
        rule = str(said).removeprefix("baseline:")
        if rule in ("objective", "confirmation", "confirmed"):
            return TUNED
        return next((name for name, own in RULES.items() if own == rule), rule)
    compared = against(best)
    if compared is None:
        return TUNED
    return TUNED if compared[1]["low"] is not None and compared[1]["low"] > 0 else compared[0]


def against(best: Best) -> tuple[str, Mapping[str, Any]] | None:
    """Return the setting that the tuned weights must beat, and the interval of their lead; None where nothing is confirmed."""
    intervals = (best.get("confirmation") or {}).get("against") or {}
    for name, rule in RULES.items():
        if rule in intervals:
            return name, intervals[rule]
    return next(iter(intervals.items()), None)


def over_yours(best: Best) -> tuple[float, float] | None:
    """Return the interval of the tuned weights' lead over yours, or equal ones; None where they met neither on fresh seeds."""
    found = against(best)
    return (found[1]["low"], found[1]["high"]) if found is not None and found[0] in RULES else None


def rule_of(pick: str) -> str:
    """Return the baseline's rule that a setting's name stands for."""
    return RULES.get(pick, pick.removeprefix("baseline:"))


def of_setting(best: Best, pick: str, published: Published) -> dict[str, Any]:
    """Return the document of another setting of the same study: a baseline of fixed weights.

    Raises ValueError for a rule that moves weights in training, and for a setting that the study does not have.
    """
    rule = rule_of(pick)
    baseline = _baseline(best, rule)
    if baseline is None:
        known = ["tuned", *(name for name, own in RULES.items() if own in best["baselines"]), *best["baselines"]]
        raise ValueError(f"the study has no setting {pick!r}; it has {', '.join(dict.fromkeys(known))}")
    if baseline.get("moves", rule in MOVING):
        way_out = "result.pick('tuned') has the best fixed ones"
        raise ValueError(f"{pick} moves the weights in training, so there are no fixed loss weights to compile with: {way_out}")
    found = copy.deepcopy(dict(best))
    for name in ("loss_weights", "losses"):
        found.pop(name, None)
    used = how_to_use(definition_of(best), baseline["weights"], published)
    fixed = {"weights": dict(baseline["weights"]), "schedules": {}, "parameters": {}, "shared": {}}
    numbers = {"objective": {**found["objective"], **baseline["objective"]}, "metrics": baseline["metrics"]}
    return {**found, **used, **fixed, **numbers, "trial": _number(baseline), "picked_by": f"baseline:{rule}"}


def with_own_losses(best: Best, published: Published) -> dict[str, Any]:
    """Return the document with `loss_weights` where only losses of the user's own stood in the way: their `compile` has them.

    A loss of Keras's stands for each in the question: it takes the output as it comes, as they do. One under row weights stays in
    the way: the study divides by the sum of the weights, and a function that is compiled by the number of rows.
    """
    if "loss_weights" in best or best.get("schedules"):
        return dict(best)
    definition, own = definition_of(best), published.own
    if any(loss.loss in own and published.weighs(task, loss) for task in definition.tasks for loss in task.losses):
        return dict(best)
    tasks = tuple(
        task.model_copy(
            update={
                "losses": tuple(loss.model_copy(update={"loss": STAND_IN}) if loss.loss in own else loss for loss in task.losses)
            }
        )
        for task in definition.tasks
    )
    used = how_to_use(definition.model_copy(update={"tasks": tasks}), best["weights"], replace(published, own=frozenset()))
    return {**best, **({"loss_weights": used["loss_weights"]} if "loss_weights" in used else {})}


def of_row_weights(best: Best, published: Published) -> list[str]:
    """Return a sentence on the built-in losses under row weights: `compile` by name divides by rows, the study by weights."""
    if "loss_weights" not in with_own_losses(best, published):
        return []
    tasks = definition_of(best).tasks
    weighed = [(task, loss) for task in tasks for loss in task.losses if published.weighs(task, loss)]
    paths = [f"{task.name}.{loss.name}" for task, loss in weighed if loss.loss not in published.own]
    if not paths:
        return []
    means = "is a mean" if len(paths) == 1 else "are means"
    way_out = "compile such a loss as an object with reduction='mean_with_sample_weight', or use result.apply()"
    return [f"{', '.join(paths)} {means} over row weights, which loss_weights take for granted: {way_out}"]


def _baseline(best: Best, rule: str) -> Mapping[str, Any] | None:
    """Return a baseline; of equal weights and yours one stands for both where they are the same."""
    found: Mapping[str, Any] | None = best["baselines"].get(rule)
    yours = best["baselines"].get(RULES[YOURS])
    if found is None and rule == RULES[EQUAL] and yours is not None and set(yours["weights"].values()) == {1.0}:
        return yours  # type: ignore[no-any-return]
    return found


def _number(setting: Mapping[str, Any]) -> int:
    """Return the number of a baseline in a document, or of a trial."""
    return int(setting["trial"] if "trial" in setting else setting["number"])


def definition_of(best: Best) -> StudyDefinition:
    """Return the part of the definition that a document has: enough to say how weights are used."""
    parts: dict[str, Any] = {
        "tasks": tuple(Task.model_validate(task) for task in best["terms"]["tasks"]),
        "penalties": tuple(Penalty.model_validate(penalty) for penalty in best["terms"]["penalties"]),
        "training": _training(best),
        "weights": {},
    }
    return StudyDefinition.model_construct(**parts)


def _training(best: Best) -> Any:
    from search.definition.schema import Training

    return Training.model_validate({name: value for name, value in best["training"].items() if name in Training.model_fields})


def renamed(best: Best, outputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the document with the outputs named as a model has them: `dense_7` for `dense`."""
    found = copy.deepcopy(dict(best))
    for task in found["terms"]["tasks"]:
        output = task.get("output") or task["name"]
        target = task.get("target") or task["name"]
        if output in outputs:
            task["output"] = outputs[output]
            task["target"] = outputs.get(target, target)
    for part in ("loss_weights", "losses"):
        if part in found:
            found[part] = {outputs.get(key, key): value for key, value in found[part].items()}
    return found


def comparison(best: Best) -> list[dict[str, Any]]:
    """Return a row for each setting and metric: mean and standard deviation over fresh seeds, and the tuned setting's lead.

    The objective's own value has the metric `value`. Without a confirmation, the numbers are of one seed and have no deviation.
    """
    confirmation = best.get("confirmation")
    names = {TUNED: f"trial {best['trial']}", **{name: rule for name, rule in RULES.items() if rule in best["baselines"]}}
    names |= {rule: rule for rule in best["baselines"] if rule not in RULES.values()}
    rows = []
    for name, candidate in names.items():
        if confirmation is None:
            source = best if name == TUNED else best["baselines"][candidate]
            numbers = {"value": source["objective"]["value"], **source["objective"]["values"]}
            rows += [_row(name, path, {"mean": value, "std": None, "n": 1}, None) for path, value in numbers.items()]
            continue
        found = confirmation["candidates"].get(candidate)
        if found is None:
            continue
        lead = confirmation["against"].get(candidate)
        rows.append(_row(name, "value", found["value"] or {}, lead))
        rows += [_row(name, path, spread, None) for path, spread in found["metrics"].items() if path in best["objective"]["values"]]
    return rows


def _row(name: str, path: str, spread: Mapping[str, Any], lead: Mapping[str, Any] | None) -> dict[str, Any]:
    interval = None if lead is None else (lead["low"], lead["high"])
    return {"setting": name, "metric": path, **{key: spread.get(key) for key in ("mean", "std", "n")}, "lead_interval": interval}


def ranges(best: Best) -> dict[str, tuple[float, float]]:
    """Return for each searched weight the values that are as good as the winner, in the units of `weights`."""
    found = (best.get("sensitivity") or {}).get("ranges") or {}
    units_differ = bool(best.get("normalized_by"))
    return {
        path: (span["low"], span["high"])
        for path, span in found.items()
        if path in best["weights"] and span.get("low") is not None and span.get("high") is not None and not units_differ
    }


def at_edge(best: Best, definition: Mapping[str, Any], default: Sequence[str]) -> list[str]:
    """Return a sentence for each searched weight whose best value lies in the outer tenth of its range."""
    if isinstance((definition.get("search") or {}).get("space"), Mapping):
        return []
    found = []
    for path, weight in weights_of(definition).items():
        place = place_in_range(weight, best["weights"].get(path))
        if place is not None and not 0.1 <= place <= 0.9:
            kind = "the default range" if path in default else "the range"
            span = f"{weight['low']:g} to {weight['high']:g}"
            found.append(f"{path}: the best value {best['weights'][path]:.3g} is at the edge of {kind} ({span})")
    return found


def place_in_range(weight: Any, value: float | None) -> float | None:
    """Return where a value lies in a range on a log scale, from 0 to 1; None where it has no place in one."""
    if not isinstance(weight, Mapping) or not weight.get("low") or not weight.get("high") or not value:
        return None
    if not weight["low"] <= value <= weight["high"]:
        return None
    return math.log(value / weight["low"]) / math.log(weight["high"] / weight["low"])


def weights_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return each term's weight in a definition's document, by path."""
    found = {f"{task['name']}.{loss['name']}": loss.get("weight") for task in definition["tasks"] for loss in task["losses"]}
    return found | {penalty["name"]: penalty.get("weight") for penalty in definition.get("penalties") or ()}
