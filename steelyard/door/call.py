"""One call of `steelyard.search`, understood: its model, rows, tasks and terms by name, and the digests that identify it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from search.export.reproduction import SCOPE
from search.names import listed
from steelyard.door import definition as wording
from steelyard.door import habits, identity
from steelyard.door.reading import Arguments, point_sets, read_rows, split_rows
from steelyard.door.refusals import refused
from steelyard.door.rows import NamedRows, Names, megabytes, missing_marks, named_inputs, weights_of_classes

if TYPE_CHECKING:
    from search.training.user.compiled import Head

LARGE_FUNCTION = 50 * 2**20


@dataclass(frozen=True)
class SearchCall:
    """What a call asks for.

    tasks: see `definition.Tasks`. penalties: documents without weights. own: the user's terms by kind and name. splits: rows by
    split. kept: layers that keep their weights, None for all. example: a few rows as the model takes them.
    """

    arguments: Arguments
    given: Any
    model: Any
    names: Names
    splits: Mapping[str, NamedRows]
    tasks: wording.Tasks
    penalties: tuple[dict[str, Any], ...]
    terms: tuple[wording.WeightedTerm, ...]
    own: Mapping[str, Mapping[str, Any]]
    aliases: Mapping[str, str]
    optimizer: Mapping[str, Any]
    batch_size: int
    kept: Any
    example: Any
    extra: Mapping[str, tuple[Any, int | None]]
    epoch: str
    loss_form: str
    parts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def megabytes(self) -> float:
        return megabytes(list(self.splits.values()))

    @property
    def workload(self) -> str:
        """Return the name of the private workload: the same for the same model, rows and terms of the user's."""
        return f"call-{identity.digest_of([self.parts[name] for name in ('model', 'data', 'terms')])[:12]}"


def understood(arguments: Arguments) -> SearchCall:
    """Return what a call asks for. Raises ValidationError, and PreflightError for what the model is refused for."""
    from search.training.user import compiled, given

    arguments = habits.with_plain_integers(arguments)
    said = [*habits.require_supported(arguments)]
    kept_epoch = habits.translated(arguments["callbacks"])
    with given.untouched():
        model = given.example_model(arguments["model"])
        inputs, keras_inputs = compiled.input_names(model)
        read, batch_size, notes = read_rows(arguments)
        arguments = {**arguments, "shuffle": read["shuffle"]}
        known = Names(inputs, keras_inputs, (), ())
        example = given.few_rows(model, named_inputs(read["x"], known, "x"), inputs, keras_inputs)
        predicted = given.predict_few(model, example)
        _require_as_fit(model)
        kept = given.kept_layers(model, arguments["initial_weights"], model is not arguments["model"])
        names = Names(inputs, keras_inputs, *compiled.output_names(model, predicted))
        splits, more = split_rows(read, arguments, names, batch_size)
        few = {key: target[: len(np.asarray(_leaf(predicted)))] for key, target in splits["train"].targets.items()}
        compile_arguments = _compile_arguments(given.arguments_of(model), arguments)
        heads = compiled.heads(model, compiled.Ports(names.outputs, names.compile_outputs), few, predicted, compile_arguments)
        optimizer = compiled.optimizer_config(compile_arguments["optimizer"])
        penalties, own_penalties = _penalties(arguments["penalties"])
        tasks = wording.tasks_of(heads, set(splits["train"].targets), [each["name"] for each in penalties], bool(penalties))
        tasks = _labelled(tasks, splits["train"], arguments, names)
        if not tasks.documents:
            raise refused("loss", "nothing is trained: compile the model with a loss, or pass loss=")
    terms = (*tasks.terms, *(wording.WeightedTerm(each["name"], (each["name"],), None) for each in penalties))
    if len(terms) < 2:
        raise refused(
            "loss", "the model has one loss and no penalty, so there is nothing to weigh; a second loss or a penalty is needed"
        )
    more += _first_loss_alone(heads, predicted)
    if arguments["metrics"] is not None or any(task["metrics"] for task in tasks.documents):
        more += ["metrics are measured under row weights, as weighted_metrics"] if _weighted(splits) else []
    call = SearchCall(
        arguments=arguments, given=arguments["model"], model=model, names=names, splits=splits, tasks=tasks, penalties=penalties,
        terms=terms, own={**tasks.own, "penalties": own_penalties}, aliases=wording.keras_names(tasks.documents, heads),
        optimizer=optimizer, batch_size=batch_size, kept=kept, example=example, extra=point_sets(arguments["extra"]),
        epoch=kept_epoch.epoch,
        loss_form="list" if isinstance(compile_arguments["loss"], list | tuple) else "dict",
        notes=(*notes, *said, *kept_epoch.notes, *tasks.notes, *more),
    )  # fmt: skip
    with given.untouched():
        return replace(call, parts=_parts(call))


def _first_loss_alone(heads: Sequence[Head], predicted: Any) -> list[str]:
    """Say where Keras's `fit` trains less than was given: of several losses of a model's only output, the first."""
    if len(heads) != 1 or len(heads[0].losses) < 2 or isinstance(predicted, Mapping | list | tuple):
        return []
    text = f"fit itself trains only the first of several losses of a model that returns one tensor ({heads[0].losses[0].name})"
    way = f"result.apply(), or let the model return a dict, {{{heads[0].key!r}: output}}"
    return [f"{text}; here all are trained, so use {way}"]


def _leaf(predicted: Any) -> Any:
    while isinstance(predicted, Mapping | list | tuple):
        predicted = next(iter(predicted.values())) if isinstance(predicted, Mapping) else predicted[0]
    return predicted


def _require_as_fit(model: Any) -> None:
    """Refuse what `fit` would train otherwise, or not at all."""
    from search.training.child.preflight import require_trainable_as_fit
    from search.training.user import given

    require_trainable_as_fit(model)
    for layer in given.parts_of(model):
        if not SCOPE.fullmatch(layer.name):
            text = f"the layer {layer.name!r} cannot be trained, by fit neither: names have letters, digits and _ . - /"
            raise refused("model", f"{text}; rename it")


def _weighted(splits: Mapping[str, NamedRows]) -> bool:
    return any(rows.weights for rows in splits.values())


def _compile_arguments(compiled: Mapping[str, Any], arguments: Arguments) -> dict[str, Any]:
    """Return compile's arguments: those of the call, else those that the model was compiled with, else Keras's defaults."""
    found = {name: compiled[name] if arguments[name] is None else arguments[name] for name in compiled}
    if arguments["loss"] is not None and arguments["loss_weights"] is None:
        found["loss_weights"] = None  # those of the model belong to its own losses
    if found["optimizer"] is None:
        found["optimizer"] = "rmsprop"
    return found


def _labelled(tasks: wording.Tasks, rows: NamedRows, arguments: Arguments, names: Names) -> wording.Tasks:
    """Return the tasks with what marks their missing labels, and with the weights of their classes."""
    marks = missing_marks(arguments["missing"], rows, names)
    classes = weights_of_classes(arguments["class_weight"], rows, names)
    read = {task.get("target", task["name"]) for task in tasks.documents}
    for argument, given in (("missing", marks if isinstance(arguments["missing"], Mapping) else {}), ("class_weight", classes)):
        for key in given:
            if key not in read:
                raise refused(f"{argument}[{key!r}]", f"no loss or metric of an output reads y[{key!r}], only {listed(read)}")
    return replace(tasks, documents=tuple(wording.with_labels(task, marks, classes) for task in tasks.documents))


# Penalties


def _penalties(given: Any) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """Return the penalties as a definition has them, without weights of functions, and the user's own functions by name."""
    if isinstance(given, list | tuple) and all(isinstance(each, Mapping) for each in given):
        return tuple(dict(each) for each in given), {}
    if given is not None and not isinstance(given, Mapping):
        text = f"a dict of functions by name, {{'apart': function}}, or a list of dicts, got a {type(given).__name__}"
        raise refused("penalties", text)
    documents, own = [], {}
    for name, penalty in (given or {}).items():
        if callable(penalty):
            own[str(name)] = _one_argument(penalty)
            documents.append({"name": str(name), "penalty": str(name)})
        elif isinstance(penalty, Mapping):
            documents.append({"name": str(name), **penalty})
        else:
            raise refused(f"penalties[{name!r}]", f"a function, or a dict as in a study definition, got a {type(penalty).__name__}")
    return tuple(documents), own


def _one_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    from search.training.problem.own_forms import takes_batch
    from search.training.user.brought import TwoSided

    return function if takes_batch("loss", getattr(function, "__name__", "penalty"), function, ()) else TwoSided(function)


# Identity


def changed_since(call: SearchCall) -> list[str]:
    """Return which of a call's model and data have been changed since it was understood."""
    from search.training.user import given

    with given.untouched():
        now = {"model": _model_part(call), "data": _data_part(call)}
    return identity.changed_parts(call.parts, now)


def _model_part(call: SearchCall) -> str:
    from search.training.user import given

    named = (list(call.names.outputs), call.arguments["initial_weights"])
    if call.model is not call.given:
        return identity.digest_of([call.given], *named)
    config, kinds = given.identity_config(call.model)
    state, classes = given.identity_state(call.model, call.kept), given.own_classes(call.model)
    return identity.digest_of([identity.without_counts(config, [identity.snake(kind) for kind in kinds]), state, classes], *named)


def _data_part(call: SearchCall) -> str:
    rows = {name: [dict(part.inputs), dict(part.targets), dict(part.weights)] for name, part in call.splits.items()}
    return identity.digest_of(rows, {name: list(points) for name, points in call.extra.items()})


def _parts(call: SearchCall) -> dict[str, str]:
    asked = call.arguments
    from search.training.user import given
    from search.training.user.brought import process_settings

    tasks = [dict(task) for task in call.tasks.documents]
    heads = [{key: value for key, value in task.items() if key not in ("metrics", *wording.LABELS)} for task in tasks]

    def own(kind: str) -> str:
        return identity.digest_of(dict(call.own[kind]), known=given.parts_of(call.model))

    order = () if asked["shuffle"] else ("in order",)
    labels = [[task["name"], *(task.get(field) for field in wording.LABELS)] for task in tasks]
    return {
        **({"labels": identity.digest_of(labels)} if any(each[1:] != [None, None] for each in labels) else {}),
        "model": _model_part(call),
        "data": _data_part(call),
        "losses": identity.digest_of(heads, own("losses")),
        "loss_weights": identity.digest_of([[term.path, term.yours] for term in call.terms]),
        "metrics": identity.digest_of([[task["name"], task["metrics"]] for task in tasks], own("metrics")),
        "penalties": identity.digest_of(list(call.penalties), own("penalties")),
        "terms": identity.digest_of({kind: own(kind) for kind in call.own}),
        "objective": identity.digest_of(asked["objective"], call.epoch),
        "ranges": identity.digest_of(asked["weight_ranges"], asked["shared_weights"]),
        "training": identity.digest_of(asked["epochs"], call.batch_size, dict(call.optimizer), process_settings(), *order),
        "search": identity.digest_of(asked["confirmation"], asked["seed"], asked["timeout"], asked["definition"]),
    }


# The private folder


def write_folder(call: SearchCall, folder: Path) -> None:
    """Write what the training process loads: the model or function, rows, and the user's terms. Raises PreflightError."""
    from search.training.problem.keras_private import graph_of
    from search.training.user import brought, given
    from search.training.user.pickles import write_pickle

    with given.untouched():
        said = call.arguments["initial_weights"] is not None
        made_by = given.write_model(call.given, call.model, folder, call.kept, call.example, said)
    graph = graph_of(call.model) is not None
    arrays = folder / brought.ARRAYS
    arrays.mkdir(mode=0o700)
    numbers = iter(range(1_000_000))

    def kept(array: Any) -> str:
        place = f"{next(numbers)}.npy"
        np.save(arrays / place, np.asarray(array))
        return place

    def placed(found: Mapping[str, Any]) -> dict[str, str]:
        return {key: kept(array) for key, array in found.items()}

    splits = {
        name: {"inputs": placed(rows.inputs), "targets": placed(rows.targets), "sample_weight": placed(rows.weights)}
        for name, rows in call.splits.items()
    }
    single = call.names.inputs is None and list(call.splits["train"].inputs) == ["input"]
    form = {
        "made_by": made_by,
        "inputs": None if single else list(call.splits["train"].inputs),
        "outputs": list(call.names.outputs) if graph else None,
        "splits": splits,
        "extra": {name: [kept(points), size or len(points)] for name, (points, size) in call.extra.items()},
        "keras": brought.process_settings(),
        "paths": [path for path in sys.path if path],
    }
    (folder / brought.FORM).write_text(json.dumps(form))
    write_pickle(folder / brought.TERMS, {kind: dict(found) for kind, found in call.own.items()})


def large_functions(folder: Path) -> list[str]:
    """Return a warning for each pickled function that captures more than 50 MB."""
    from search.training.user import brought

    sizes = {name: (folder / name).stat().st_size for name in (brought.TERMS, brought.FUNCTION) if (folder / name).exists()}
    return [
        f"a function captures {size / 2**20:.0f} MB of data, which is copied to each worker: pass arrays as x, y or extra"
        for size in sizes.values()
        if size > LARGE_FUNCTION
    ]
