"""Draw a best-weights document: equal weights, yours and the tuned ones side by side, and what the difference is worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from steelyard.wording import number, plain

ARROWS = {"maximize": "↑", "minimize": "↓"}
TUNED = "tuned"
FIRST = ("equal", "current", TUNED)
TITLES = {"current": "yours", "inverse_initial_loss": "inverse loss"}
ADAPTIVE = ("uncertainty", "dwa", "random", "gradnorm")
"""Rules whose weights move in training."""

PARETO = "pareto"

Best = Mapping[str, Any]


def answer_table(best: Best) -> Table:
    """Draw one column a setting, and one row a weight, a metric, the value, and the tuned setting's lead over the column's."""
    columns = _columns(best)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for rule in columns:
        title = TITLES.get(rule, rule.replace(":", " "))
        table.add_column(plain(title), justify="right", style="bold" if rule == TUNED else "")
    for label, cells in _rows(best, columns):
        table.add_row(plain(label), *map(plain, cells), end_section=not cells)
    return table


def _columns(best: Best) -> list[str]:
    """Return the baselines' rules and the tuned one: equal, yours, tuned, then all others."""
    rules = [*best["baselines"], TUNED]
    return sorted(rules, key=lambda rule: FIRST.index(rule) if rule in FIRST else len(FIRST))


def _rows(best: Best, columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    yield "trial", [str(best["trial"] if rule == TUNED else best["baselines"][rule]["trial"]) for rule in columns]
    for path in best["weights"]:
        yield f"weight {path}", [_weight(best, rule, path) for rule in columns]
    yield from _arguments(best, columns)
    if "confirmation" in best:
        yield from _confirmed(best, best["confirmation"], columns)
    else:
        yield from _measured(best, columns)


def _weight(best: Best, rule: str, path: str) -> str:
    if rule in ADAPTIVE:
        return "moves"
    weights = best["weights"] if rule == TUNED else best["baselines"][rule]["weights"]
    text = number(weights.get(path))
    return f"{text} (scheduled)" if rule == TUNED and path in best["schedules"] else text


def _arguments(best: Best, columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield what was searched beside weights, such as the learning rate; of the tuned setting alone."""
    beside = [path for path in best["parameters"] if path not in {*best["weights"], *best["shared"]} and ".schedule." not in path]
    for path in beside:
        yield path, [number(best["parameters"][path]) if rule == TUNED else "" for rule in columns]


def _metrics(best: Best) -> dict[str, str]:
    """Return the arrow of every metric of the objective, by path."""
    directions = {
        f"{task['name']}.{metric['name']}": metric["direction"] for task in best["terms"]["tasks"] for metric in task["metrics"]
    }
    return {path: ARROWS[directions.get(path) or "minimize"] for path in best["objective"]["values"]}


def _confirmed(best: Best, told: Mapping[str, Any], columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    names = [f"trial {best['trial']}" if rule == TUNED else rule for rule in columns]
    candidates = [told["candidates"].get(name) for name in names]
    yield f"{len(told['seeds'])} fresh seeds, {told['split']} split:", []
    for path, arrow in _metrics(best).items():
        yield f"{path} {arrow}", [_spread(each["metrics"].get(path)) if each else "" for each in candidates]
    yield _valued(best), [_spread(each["value"]) if each else "" for each in candidates]
    leads = [told["against"].get(rule) for rule in columns]
    yield "tuned is ahead by", [f"{lead['difference']:+.3g}" if lead else "" for lead in leads]
    yield "99 % interval", [f"{lead['low']:+.3g} to {lead['high']:+.3g}" if lead else "" for lead in leads]


def _measured(best: Best, columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    objectives = [best["objective"] if rule == TUNED else best["baselines"][rule]["objective"] for rule in columns]
    yield "one seed, validation split:", []
    for path, arrow in _metrics(best).items():
        yield f"{path} {arrow}", [number(objective["values"].get(path)) for objective in objectives]
    if best["objective"]["aggregate"] != PARETO:
        yield _valued(best), [number(objective["value"]) for objective in objectives]


def _valued(best: Best) -> str:
    """Return what the value is of: the aggregate, or for a front the compromise that its finalists are confirmed by."""
    return "compromise" if best["objective"]["aggregate"] == PARETO else str(best["objective"]["aggregate"])


def _spread(spread: Mapping[str, Any] | None) -> str:
    if spread is None or spread["mean"] is None:
        return ""
    return number(spread["mean"]) if spread["std"] is None else f"{number(spread['mean'])} ± {spread['std']:.2g}"


def conclusion(best: Best) -> list[str]:
    """Return what the document says, in sentences: the verdict, what the search had promised, and what else would do as well."""
    told = best.get("confirmation")
    if told is None and best.get("picked_by", "objective") != "objective":
        found = [f"Trial {best['trial']} is what {best['picked_by']} picks, on one seed; what it is worth on others is not known."]
    elif told is None:
        reason = "the study has no confirmation" if best["final"] else "the study has not ended"
        found = [f"Trial {best['trial']} has the best value on one seed; whether it is really better is not known: {reason}."]
    else:
        found = [f"Verdict: {told['verdict']}", *_promised(told)]
    ranges = (best.get("sensitivity") or {}).get("ranges") or {}
    return [*found, *(span["sentence"] for span in ranges.values() if span.get("sentence"))]


def _promised(told: Mapping[str, Any]) -> Iterator[str]:
    optimism = told["optimism"]
    if optimism is not None:
        more = "more" if optimism >= 0 else "less"
        yield f"Optimism: the search had promised {abs(optimism):.3g} {more} than it is worth on fresh seeds."
