"""What `model.compile` can say of a tuned training, and what it cannot: how a best-weights document is to be used. Pure functions.

A study divides a batch's loss by its sum of row weights (Keras's reduction `mean_with_sample_weight`); `compile(loss="...")` by the
number of rows. So a name alone trains what was tuned only where there are no row weights, no logits and no arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from search.catalog import find_loss, keras_arguments
from search.definition.labels import NAN
from search.definition.schedules import AppliedSchedule, moving_of
from search.definition.schema import Loss, StudyDefinition, Task
from search.export.keras_code import MEAN

ReproducedBy = Literal["compile", "compile_with_losses", "compile_and_penalties", "custom_loss"]

Schedules = Mapping[str, AppliedSchedule]
"""How weights come to their final value, by term path."""

SCOPE = re.compile(r"[A-Za-z0-9_.\\/>-]+")
"""An output's name that Keras can compile: it becomes the name of a scope in the graph."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a worker published of a workload, as far as `compile` depends on it.

    outputs: the keys of the model's output dict. own: names of the workload's own losses. weighted: outputs and targets that have
    row weights, "" for all. axes: how many axes each output has as it comes. widths: the size of each output's last axis.
    """

    outputs: Sequence[str]
    own: frozenset[str] = frozenset()
    weighted: frozenset[str] = frozenset()
    axes: Mapping[str, int] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, description: Mapping[str, Any] | None, outputs: Sequence[str]) -> Published:
        """Read a published description; where there is none, nothing is known to stand in the way."""
        sentences = description or {}
        code = sentences.get("code") or {}
        shapes = {name: spec["shape"] for name, spec in (sentences.get("outputs") or {}).items() if "shape" in spec}
        return cls(
            outputs=outputs,
            own=frozenset(sentences.get("losses") or ()),
            weighted=frozenset(code.get("weighted") or ([""] if code.get("row_weights") else [])),
            axes={name: len(shape) for name, shape in shapes.items()} | dict.fromkeys(code.get("rank_one") or (), 1),
            widths={name: shape[-1] for name, shape in shapes.items() if len(shape) > 1},
        )

    def weighs(self, task: Task, loss: Loss) -> bool:
        """Return whether a loss has row weights, of the data or made of its labels."""
        return task.weighs_labels or bool(self.weighted & {"", task.used_output, loss.target or task.used_target})


def how_to_use(
    definition: StudyDefinition, weights: Mapping[str, float], workload: Published, schedules: Schedules = MappingProxyType({})
) -> dict[str, Any]:
    """Return `loss_weights` (absent where compile cannot say it), `losses`, `penalty_weights`, `reproduced_by` and `note`.

    `weights` are those of all terms, final ones where they move. A loss weight that moves is beyond compile: its final value alone
    would train something else. `losses` are Keras's configs by output, for `keras.losses.deserialize`; absent where names do.
    """
    penalties = {penalty.name: weights[penalty.name] for penalty in definition.penalties}
    moving = moving_of(schedules, weights, definition.training.epochs)
    sentences = {path: _schedule_sentence(path, schedule) for path, schedule in moving.items()}
    obstacles = [*beyond_compile(definition, workload), *(text for path, text in sentences.items() if path not in penalties)]
    needs = [] if obstacles else list(beyond_names(definition, workload))
    left_out = [name for name, weight in penalties.items() if weight != 0]
    return {
        **({} if obstacles else {"loss_weights": loss_weights(definition, weights, workload.outputs)}),
        **({"losses": loss_configs(definition, workload.outputs)} if needs else {}),
        "penalty_weights": penalties,
        "reproduced_by": _reproduced_by(obstacles, needs, left_out),
        "note": _note(obstacles, needs, left_out, [sentences[path] for path in penalties if path in sentences]),
    }


def _reproduced_by(obstacles: Sequence[str], needs: Sequence[str], left_out: Sequence[str]) -> ReproducedBy:
    if obstacles:
        return "custom_loss"
    if left_out:
        return "compile_and_penalties"
    return "compile_with_losses" if needs else "compile"


def _schedule_sentence(path: str, schedule: AppliedSchedule) -> str:
    share = f"{schedule.fraction:.3g} of the epochs"
    return f"the schedule of {path} ({schedule.shape}, from {schedule.start:g} to 1 times its weight over {share})"


def loss_weights(
    definition: StudyDefinition, weights: Mapping[str, float], outputs: Sequence[str]
) -> dict[str, float | list[float] | None]:
    """Return `compile`'s loss_weights by output: a number, a list where it has several losses, None where it has none."""
    found: dict[str, list[float]] = {output: [] for output in outputs}
    for task in definition.tasks:
        found.setdefault(task.used_output, []).extend(weights[f"{task.name}.{loss.name}"] for loss in task.losses)
    return {output: _one_or_all(each) for output, each in found.items()}


def loss_configs(definition: StudyDefinition, outputs: Sequence[str]) -> dict[str, Any]:
    """Return `compile`'s loss by output as Keras's configs, in the form of `loss_weights`: a config, a list, or None."""
    found: dict[str, list[dict[str, Any]]] = {output: [] for output in outputs}
    for task in definition.tasks:
        found.setdefault(task.used_output, []).extend(_loss_config(task, loss) for loss in task.losses)
    return {output: _one_or_all(each) for output, each in found.items()}


def _loss_config(task: Task, loss: Loss) -> dict[str, Any]:
    entry = find_loss(loss.loss)
    assert entry is not None  # the workload's own are beyond compile
    logits = {"from_logits": True} if entry.knows_logits and task.from_logits else {}
    return {"class_name": entry.keras_class, "config": {"reduction": MEAN, **keras_arguments(entry, loss.config), **logits}}


def _one_or_all(parts: list[Any]) -> Any:
    """Return what an output has of losses or weights: none, one, or a list."""
    return parts if len(parts) > 1 else parts[0] if parts else None


def beyond_compile(definition: StudyDefinition, workload: Published) -> Iterator[str]:
    """Yield what of the losses `model.compile(loss=..., loss_weights=...)` cannot say, each as a part of a sentence."""
    trained = [task for task in definition.tasks if task.losses]
    for task in trained:
        yield from _beyond(task, workload)
    if workload.weighted or any(task.weighs_labels for task in trained):
        yield from _beside_row_weights(trained, workload)
    yield from _labels_apart(trained)
    count = sum(len(task.losses) for task in trained)
    if len(workload.outputs) == 1 and count > 1:
        yield f"{count} losses on the only output {workload.outputs[0]}"


def _beside_row_weights(tasks: Sequence[Task], workload: Published) -> Iterator[str]:
    """Yield the losses without row weights that stand beside others with some.

    `fit` wants weights for every output, and one a row does not match an output of steps or pixels.
    """
    for task in tasks:
        axes = workload.axes.get(task.used_output, 2)
        for loss in task.losses:
            if axes > 2 and not workload.weighs(task, loss):
                yield f"loss {task.name}.{loss.name} has an output of {axes} axes, and other losses have row weights"


def _labels_apart(tasks: Sequence[Task]) -> Iterator[str]:
    """Yield the outputs that have two tasks whose labels count in different ways: Keras has one row weight an output."""
    counting: dict[str, Any] = {}
    for task in tasks:
        labels = (task.missing, task.class_weight)
        if counting.setdefault(task.used_output, labels) != labels:
            yield f"the labels of output {task.used_output} do not count alike in its tasks"


def _beyond(task: Task, workload: Published) -> Iterator[str]:
    if task.column is not None:
        yield f"task {task.name} reads column {task.column} of output {task.used_output}"
    if task.used_target != task.used_output:
        yield f"task {task.name} compares output {task.used_output} with target {task.used_target}"
    if not SCOPE.fullmatch(task.used_output):
        yield f"Keras cannot compile an output named {task.used_output!r}"
    for loss in task.losses:
        yield from _loss_beyond(task, loss, workload)


def _loss_beyond(task: Task, loss: Loss, workload: Published) -> Iterator[str]:
    path, entry = f"{task.name}.{loss.name}", find_loss(loss.loss)
    if loss.target is not None and loss.target != task.used_target:
        yield f"loss {path} reads target {loss.target}"
    if loss.loss in workload.own or entry is None:
        yield f"loss {path} is the workload's own"
        return
    if task.from_logits and not (entry.knows_logits or entry.takes_raw_output):
        yield f"loss {path} reads probabilities, and output {task.used_output} gives logits"
    if task.may_lack_labels and entry.columnwise and workload.widths.get(task.used_output, 1) != 1:
        yield f"loss {path} leaves out single columns of a row where their label is missing"
    axes = workload.axes.get(task.used_output, 2)
    if workload.weighs(task, loss) and axes != 2:
        yield f"loss {path} has row weights and an output of {axes} axes, which Keras does not match with them"


def beyond_names(definition: StudyDefinition, workload: Published) -> Iterator[str]:
    """Yield why a loss's name alone, `compile(loss="...")`, trains something else, each as a part of a sentence."""
    for task in definition.tasks:
        for loss in task.losses:
            path, entry = f"{task.name}.{loss.name}", find_loss(loss.loss)
            if workload.weighs(task, loss):
                yield f"{path} is a mean over row weights"
            yield from _of_labels(task, path)
            if loss.config:
                yield f"{path} has arguments"
            if task.from_logits and entry is not None and entry.knows_logits:
                yield f"{path} reads logits"


def _of_labels(task: Task, path: str) -> Iterator[str]:
    """Yield the row weights that a task's labels make: `fit` must be given them."""
    if task.missing == NAN:
        yield f"{path} needs sample_weight 0, and any number, where y[{task.used_target!r}] is NaN"
    elif task.may_lack_labels:
        yield f"{path} needs sample_weight 0, and a label, where y[{task.used_target!r}] is {task.missing:g}"
    if task.class_weight is not None:
        how = "n / (classes * count)" if task.balances_classes else "the class's weight"
        yield f"{path} needs sample_weight times {how} on training rows"


def _note(obstacles: Sequence[str], needs: Sequence[str], left_out: Sequence[str], schedules: Sequence[str]) -> str:
    """Say what compile leaves out: losses beyond it or beyond their names, penalties, and schedules of theirs."""
    apply = "steelyard.apply(model, best) trains what was tuned."
    if obstacles:
        beyond = [*obstacles, *(f"penalty {name}" for name in left_out), *schedules]
        return f"model.compile(loss_weights=...) cannot say: {'; '.join(beyond)}. {apply}"
    named = f" Losses by name would train something else ({'; '.join(needs)}): `losses` has them as Keras configs." if needs else ""
    if left_out:
        return f"model.compile(loss_weights=...) alone leaves out: {', '.join([*left_out, *schedules])}.{named} {apply}"
    if needs:
        made = "each config in best['losses'] through keras.losses.deserialize"
        return f"model.compile(loss=..., loss_weights=best['loss_weights']) trains what was tuned, with {made}.{named}"
    return "model.compile(loss_weights=best['loss_weights']) trains what was tuned."
