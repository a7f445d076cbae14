"""Write the Keras file that trains a study's winner again, from the best-weights document alone. Pure functions.

Where `compile` can say all that was tuned, and plain Keras measures what the study is judged by, the file is plain Keras and
imports nothing of Steelyard but the workload; else it trains by `steelyard.apply` and measures by `steelyard.measure`. Either way
it trains as the service does: a seed decides the initial weights, and the order of rows in every epoch.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from search.definition.schema import Optimizer, Penalty, Task
from search.errors import PreflightError
from search.export import label_text
from search.export import script_template as text
from search.export.keras_code import keras_losses, keras_metrics, keras_optimizer
from search.export.python_literals import Call, Code, assigned, literal

LEVEL = 0.95
"""Level of the interval of a confirmed mean: two-sided t over its seeds."""

ROUNDING = 1e-4
"""How much wider the stated interval is at each end, as a share of the mean: float sums differ from machine to machine."""

WIDTH = 128
"""Characters of a line of comment."""

OWN_NAMES = re.compile(
    r"argparse|bind|class_weights|hashlib|importlib|keras|labelled|main|measured|np|pathlib|probabilities|row_weights|scored|split"
    r"|started|stated_as|steelyard|taken|train|warn_of_changes|weights|workload|[A-Z_]+"
)
"""Names of the file's own, which an import may not take."""


@dataclass(frozen=True, slots=True)
class Source:
    """The workload in the file's text: the statement that imports it, the expression that it then is, and its module."""

    statement: str
    expression: str
    module: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between a file in plain Keras and one by `steelyard.apply`."""

    imports: Sequence[str]
    constants: Sequence[str]
    functions: Sequence[str]


def script(best: Mapping[str, Any]) -> str:
    """Return the text of a Python file that trains the document's trial again.

    It trains on the confirmation's seeds, or on the trial's own where nothing was confirmed; prints the objective's metrics by seed
    and their means, on validation and test; and says whether the means lie within the intervals that the confirmation gives.
    Raises PreflightError where the document does not say where the workload is, and for a workload with point sets.
    """
    source = source_of(best["workload"])
    kind = _plain(best, source) or _applied(best, source)
    checked = best["workload"].get("sources")
    statements = [source.statement, "import keras", "import numpy as np", *kind.imports]
    imports = [
        *sorted(line for line in statements if line.startswith("import")),
        *sorted(line for line in statements if line.startswith("from")),
    ]
    standard = ["import argparse", *(text.SOURCES_IMPORTS if checked else [])]
    head = [_docstring(best, source), "", *standard, "", *imports, ""]
    sources = [assigned("SOURCES", checked)] if checked else []
    constants = [*kind.constants, *_study(best), *sources, "DATA = workload.load_data()"]
    functions = [text.SPLIT, *kind.functions, text.UNCONFIRMED if _stated(best) is None else text.CONFIRMED]
    functions += [text.WARN_OF_CHANGES] if checked else []
    begin = "    warn_of_changes()\n" if checked else ""
    parts = [*functions, f'if __name__ == "__main__":\n{begin}    main()\n']
    return "\n".join([*head, *constants]) + "\n\n\n" + "\n\n\n".join(parts)


def _docstring(best: Mapping[str, Any], source: Source) -> str:
    study = best["study"]["name"]
    changed = "The workload's files have changed since: the numbers may differ.\n\n" if best["workload"].get("changed") else ""
    return (
        f'"""Train what the study {study} found: trial {best["trial"]}, picked by {best["picked_by"]}.\n\n{changed}'
        f"    python train.py [--seeds 3] [--save model.keras]\n\n"
        f'Written by `steelyard best {study} --script`. Python must find the module {source.module}.\n"""'
    )


def source_of(workload: Mapping[str, Any]) -> Source:
    """Return how the workload is imported. Raises PreflightError where that is not known, and for one that no file can train."""
    name, place = workload["name"], workload.get("place")
    if not place:
        said = f"no worker has published where the workload {name!r} is; start one that has it, then ask again"
        raise PreflightError("no_script", said, "workload.place")
    if workload.get("points"):
        raise PreflightError(
            "no_script", f"the workload {name!r} has point sets (`extra`), which no file can train yet", "workload.points"
        )
    module, _, attribute = place.partition(":")
    package, _, last = (module, "", attribute) if attribute else module.rpartition(".")
    imported, dot, rest = last.partition(".")
    used = f"{imported}_workload" if OWN_NAMES.fullmatch(imported) else imported
    what = imported if used == imported else f"{imported} as {used}"
    return Source(f"from {package} import {what}" if package else f"import {what}", f"{used}{dot}{rest}", module)


# What both kinds have: seeds, epochs, and what the study stated


def _study(best: Mapping[str, Any]) -> list[str]:
    confirmation = best.get("confirmation") or {}
    seeds = list(confirmation.get("seeds") or best["seeds"])
    lines = [assigned("SEEDS", seeds), *_epochs(best), f"BATCH_SIZE = {best['training']['batch_size']}"]
    if _starts_alike(best):
        lines.append("START = []")
    stated = _stated(best)
    if stated is not None:
        split = confirmation["split"]
        stated_as = f"# Mean over {len(seeds)} seeds on the {split} split, and its {100 * LEVEL:g} % interval (t over seeds)."
        return [*lines, f"STATED_SPLIT = {literal(split)}", stated_as, assigned("STATED", stated)]
    metrics = {path: best["metrics"]["validation"].get(path) for path in best["objective"]["values"]}
    known = {path: value for path, value in metrics.items() if value is not None}
    return [*lines, "# What the study measured on the validation split.", assigned("STATED", known)]


def _epochs(best: Mapping[str, Any]) -> list[str]:
    epochs = (best.get("confirmation") or {}).get("epochs")
    if not epochs:
        return [f"EPOCHS = {best['epoch']}"]
    by_seed = {int(seed): epoch for seed, epoch in epochs.items()}
    return ["# By seed: the epoch that counts, best on validation.", assigned("EPOCHS", by_seed)]


def _stated(best: Mapping[str, Any]) -> dict[str, tuple[float, float, float]] | None:
    """Return (mean, low, high) of the trial's confirmed metrics by path, or None where it was not confirmed."""
    candidates = (best.get("confirmation") or {}).get("candidates", {})
    rules = [rule for rule, baseline in best["baselines"].items() if baseline["trial"] == best["trial"]]
    mine = next((candidates[name] for name in (f"trial {best['trial']}", *rules) if name in candidates), None)
    if mine is None:
        return None
    spreads = {path: mine["metrics"].get(path) or {} for path in best["objective"]["values"]}
    return {
        path: interval(spread["mean"], spread["std"], spread["n"])
        for path, spread in spreads.items()
        if spread.get("mean") is not None and spread.get("std") is not None
    }


def interval(mean: float, std: float, n: int) -> tuple[float, float, float]:
    """Return the mean and its two-sided t interval at `LEVEL`, mean -+ t(n - 1) std / sqrt(n), widened by `ROUNDING`."""
    from scipy.special import stdtrit  # takes a moment to import

    half = float(stdtrit(n - 1, 1 - (1 - LEVEL) / 2)) * std / math.sqrt(n) + ROUNDING * abs(mean)
    return _short(mean), _short(mean - half), _short(mean + half)


def _short(value: float) -> float:
    return float(f"{value:.8g}")


def _starts_alike(best: Mapping[str, Any]) -> bool:
    return bool(best["training"].get("initial_weights") == "fixed")


def _begin(best: Mapping[str, Any]) -> str:
    if _starts_alike(best):
        return text.FIXED.substitute(decides=text.FIXED_ORDER if _shuffles(best) else text.FIXED_ALL)
    return text.FRESH.substitute(order=text.ORDER if _shuffles(best) else "")


def _shuffles(best: Mapping[str, Any]) -> bool:
    return bool(best["training"].get("shuffle", True))


def _range(best: Mapping[str, Any]) -> str:
    return "EPOCHS[seed]" if (best.get("confirmation") or {}).get("epochs") else "EPOCHS"


# The two kinds


def _plain(best: Mapping[str, Any], source: Source) -> Kind | None:
    """Return the parts of a file in plain Keras, or None where that cannot say, or not measure, what was tuned."""
    compiled = best["reproduced_by"] in ("compile", "compile_with_losses")
    if not compiled or not best["workload"].get("plain") or best["workload"]["made"] == "bound":
        return None
    tasks = [Task.model_validate(task) for task in best["terms"]["tasks"]]
    losses = keras_losses(tasks, best["weights"], list(best["loss_weights"]))
    values = keras_metrics(tasks, list(best["objective"]["values"]))
    if losses is None or values is None:
        return None
    optimizer = keras_optimizer(Optimizer.model_validate(best["training"]["optimizer"]))
    arguments = {"optimizer": optimizer, "loss": Code("LOSSES"), "loss_weights": Code("LOSS_WEIGHTS")}
    compile_call = literal(Call("model.compile", named=arguments), 4)
    measured = literal(values, 4, len("return "))
    labels = label_text.label_constants(tasks)
    weigh = {"labels": "\n    y, weights = row_weights(y)", "weighted": "sample_weight=taken(weights, order), "}
    scored = text.SCORED_LABELLED if label_text.labels_by_target(tasks)[0] else text.SCORED
    return Kind(
        imports=[],
        constants=[
            assigned("LOSSES", losses[0]),
            assigned("LOSS_WEIGHTS", losses[1]),
            *labels,
            assigned("workload", _made(best, source)),
        ],
        functions=[
            *(label_text.FUNCTIONS if labels else ()),
            text.PLAIN_TRAIN.substitute(
                begin=_begin(best),
                compile=compile_call,
                epochs=_range(best),
                order=_order(best),
                **(weigh if labels else dict.fromkeys(weigh, "")),
            ),
            text.PLAIN_MEASURED.substitute(values=measured),
            scored,
            *([text.PROBABILITIES] if "probabilities(" in measured else []),
        ],
    )


def _made(best: Mapping[str, Any], source: Source) -> Any:
    """Return the expression of the workload with its options."""
    made, options = best["workload"]["made"], best["workload"]["options"]
    if made == "as_is":
        return Code(source.expression)
    if made == "without_options":
        return Call(source.expression)
    if all(name.isidentifier() and not keyword.iskeyword(name) for name in options):
        return Call(source.expression, [Call(f"{source.expression}.Options", named=options)])
    return Call(source.expression, [Call(f"{source.expression}.Options.model_validate", [options])])


def _applied(best: Mapping[str, Any], source: Source) -> Kind:
    """Return the parts of a file that trains by `steelyard.apply`, on the part of the document that it reads."""
    workload, measured = best["workload"], list(best["objective"]["values"])
    bound = Call("bind", [workload["name"], Code(source.expression), workload["options"]])
    weighted = workload.get("row_weights", True)
    weigh = {"weigh": "\n        given = weights(order)", "weighted": "sample_weight=given, "}
    return Kind(
        imports=["import steelyard", "from search.workloads.base import bind"],
        constants=[
            *(wrap(best["note"], WIDTH, initial_indent="# ", subsequent_indent="# ") if best["reproduced_by"] != "compile" else []),
            "# The part of the best-weights document that steelyard.apply and steelyard.measure read:",
            assigned("BEST", needed(best)),
            assigned("MEASURED", measured),
            assigned("workload", bound),
        ],
        functions=[
            *([text.WEIGHTS] if weighted else []),
            text.APPLIED_TRAIN.substitute(
                begin=_begin(best),
                epochs=_range(best),
                order=_order(best),
                **(weigh if weighted else dict.fromkeys(weigh, "")),
            ),
            text.APPLIED_MEASURED,
        ],
    )


def _order(best: Mapping[str, Any]) -> str:
    """Return what gives the order of an epoch's rows, called with their number."""
    return "np.random.default_rng([seed, epoch]).permutation" if _shuffles(best) else "np.arange"


def needed(best: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the document that `steelyard.apply` and `steelyard.measure` read, with what is left at its default out.

    It says how terms are trained, not how they were searched; and has the metrics that the study is judged by.
    """
    measured = set(best["objective"]["values"])
    tasks = [_short_task(Task.model_validate(task), measured) for task in best["terms"]["tasks"]]
    penalties = [
        Penalty.model_validate(penalty).model_dump(mode="json", exclude={"weight"}, exclude_defaults=True)
        for penalty in best["terms"]["penalties"]
    ]
    schedules = {"schedules": best["schedules"]} if best["schedules"] else {}
    training = {name: best["training"][name] for name in ("epochs", "batch_size", "optimizer")}
    return {"weights": best["weights"], **schedules, "training": training, "terms": {"tasks": tasks, "penalties": penalties}}


def _short_task(task: Task, measured: set[str]) -> dict[str, Any]:
    shown = task.model_dump(mode="json", exclude={"metrics": True, "losses": {"__all__": {"weight"}}}, exclude_defaults=True)
    metrics: list[Any] = []
    for metric in task.metrics:
        if f"{task.name}.{metric.name}" in measured:
            stated_as = metric.model_dump(mode="json", exclude={"direction"}, exclude_defaults=True)
            metrics.append(metric.name if stated_as == {"name": metric.name, "metric": metric.name} else stated_as)
    return {**shown, **({"metrics": metrics} if metrics else {})}
