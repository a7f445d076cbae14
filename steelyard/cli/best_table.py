"""Draw a best-weights document: equal weights, yours and the tuned ones side by side, and what the difference is worth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from search.catalog import find_baseline
from search.definition.rules import CURRENT, EQUAL
from steelyard.formatting import number, plain

ARROWS = {"maximize": "↑", "minimize": "↓"}
TUNED = "tuned"
FIRST = (EQUAL, CURRENT, TUNED)
CALLS = {"better": "better", "worse": "worse", "as_good": "as good", "not_enough": "not certain"}
"""What an interval says of the tuned setting."""

PARETO = "pareto"
GAP = 2
"""Blanks between two columns."""

Best = Mapping[str, Any]


class AnswerTable:
    """One column a setting: equal weights, yours, the tuned ones, then the others, the closest first, as many as fit.

    One row a weight, a metric, the value, and the tuned setting's lead over the column's. Names are shortened to what distinguishes
    them. Settings that do not fit are listed below with their values.
    """

    def __init__(self, best: Best) -> None:
        self._best = best

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rules = _rules(self._best)
        while len(rules) > len(FIRST) and _width(self._best, rules) > options.max_width:
            rules.pop()
        yield _drawn(self._best, rules)
        others = [rule for rule in _rules(self._best) if rule not in rules]
        if others:
            values = ", ".join(f"{_title(rule)} ({_value(self._best, rule)})" for rule in others)
            yield Text(plain(f"Also trained: {values}."))


def _drawn(best: Best, rules: Sequence[str]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 0, 0, GAP - 1),
        caption=plain(_measured_on(best)),
        caption_justify="left",
    )
    table.add_column("", no_wrap=True)
    for rule in rules:
        table.add_column(plain(_heading(best, rule)), justify="right", no_wrap=True, style="bold" if rule == TUNED else "")
    for label, cells, closes in _rows(best, rules):
        table.add_row(plain(label), *map(plain, cells), end_section=closes)
    return table


def _width(best: Best, rules: Sequence[str]) -> int:
    rows = [["", *(_heading(best, rule) for rule in rules)], *([label, *cells] for label, cells, _ in _rows(best, rules))]
    columns = zip(*rows, strict=True)
    return sum(max(map(len, column)) for column in columns) + GAP * len(rules)


def _title(rule: str) -> str:
    baseline = find_baseline(rule)
    return (baseline.heading if baseline else None) or rule.replace(":", " ")


def _heading(best: Best, rule: str) -> str:
    """Return what a column is headed by: the answer's is tuned, unless a baseline is the answer."""
    if rule == TUNED:
        return _title(_leading(best) or rule)
    return f"{_title(rule)} (yours)" if CURRENT in _stands_for(best, rule) else _title(rule)


def _rules(best: Best) -> list[str]:
    """Return the baselines' rules and the tuned one: equal, yours, tuned, then the others by their value, best first.

    A baseline that is the answer itself has the tuned one's place. One that was not confirmed since another has its weights is not
    shown.
    """

    def place(rule: str) -> tuple[int, float]:
        value = _mean(best, rule)
        return FIRST.index(rule) if rule in FIRST else len(FIRST), math.inf if value is None else -value

    left_out = {_leading(best), *(stood for rule in best["baselines"] for stood in _stands_for(best, rule))}
    return sorted([*(rule for rule in best["baselines"] if rule not in left_out), TUNED], key=place)


def _stands_for(best: Best, rule: str) -> Sequence[str]:
    """Return the baselines of the same weights for which this one was trained on fresh seeds."""
    candidate: Best = best.get("confirmation", {}).get("candidates", {}).get(rule, {})
    found: Sequence[str] = candidate.get("stands_for", ())
    return found


def _mean(best: Best, rule: str) -> float | None:
    """Return a setting's value: its mean over fresh seeds, or over those of the search where nothing was confirmed."""
    found: float | None
    if "confirmation" in best:
        candidate = best["confirmation"]["candidates"].get(_candidate(best, rule))
        found = candidate["value"]["mean"] if candidate else None
    else:
        found = _objective(best, rule)["value"]
    return found


def _value(best: Best, rule: str) -> str:
    return number(_mean(best, rule))


def _candidate(best: Best, rule: str) -> str:
    return f"trial {best['trial']}" if rule == TUNED else rule


def _objective(best: Best, rule: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = best["objective"] if rule == TUNED else best["baselines"][rule]["objective"]
    return found


def _seeds(best: Best) -> str:
    """Return on how many seeds the search trained a setting, in words."""
    return "one seed" if len(best["seeds"]) == 1 else f"the mean of {len(best['seeds'])} seeds"


def _measured_on(best: Best) -> str:
    if "confirmation" not in best:
        return f"{_seeds(best).capitalize()}, validation split."
    confirmation = best["confirmation"]
    seeds = f"{len(confirmation['seeds'])} fresh seeds, {confirmation['split']} split"
    fewer = [rule for rule in best["baselines"] if rule in confirmation["candidates"] and rule not in confirmation["against"]]
    rest = (
        f" ({', '.join(map(_title, fewer))}: the {len(confirmation['chosen_on'])} that chose)"
        if fewer and confirmation.get("chosen_on")
        else ""
    )
    return f"Mean and standard deviation over {seeds}{rest}."


Row = tuple[str, list[str], bool]
"""A label, its cells, and whether a line is drawn below."""


def _rows(best: Best, rules: Sequence[str]) -> Iterator[Row]:
    yield "trial", [str(best["trial"] if rule == TUNED else best["baselines"][rule]["trial"]) for rule in rules], True
    names = _short(best["weights"])
    weights = [(f"weight {names[path]}", [_weight(best, rule, path) for rule in rules]) for path in best["weights"]]
    beside = [*weights, *_arguments(best, rules)]
    for label, cells in beside:
        yield label, cells, (label, cells) == beside[-1]
    yield from _confirmed(best, best["confirmation"], rules) if "confirmation" in best else _measured(best, rules)


def _short(paths: Iterable[str]) -> dict[str, str]:
    """Return the paths `task.name` without what all of a task's have in common: the task alone where it has one of them."""
    tasks = Counter(path.partition(".")[0] for path in paths)
    return {path: path.partition(".")[0] if tasks[path.partition(".")[0]] == 1 else path for path in paths}


def _metric(path: str) -> str:
    """Return a metric's path as it is read: of several forms of accuracy a task has one."""
    task, _, name = path.partition(".")
    return f"{task} {name.removeprefix('sparse_').removeprefix('categorical_').removeprefix('binary_')}"


def _weight(best: Best, rule: str, path: str) -> str:
    if rule != TUNED and _moves(rule):
        return "moves"
    weights = best["weights"] if rule == TUNED else best["baselines"][rule]["weights"]
    text = number(weights.get(path))
    return f"{text} (scheduled)" if rule == TUNED and path in best["schedules"] else text


def _moves(rule: str) -> bool:
    """Return whether a baseline's weights move in training; those of one that this catalog lacks do: it is a plug-in's."""
    baseline = find_baseline(rule)
    return baseline is None or baseline.weighting is not None


def _arguments(best: Best, rules: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return what was searched beside weights, such as the learning rate; of the tuned setting alone."""
    beside = [path for path in best["parameters"] if path not in {*best["weights"], *best["shared"]} and ".schedule." not in path]
    return [
        (path.removeprefix("optimizer."), [number(best["parameters"][path]) if rule == TUNED else "" for rule in rules])
        for path in beside
    ]


def _metrics(best: Best) -> dict[str, str]:
    """Return the arrow of every metric of the objective, by path."""
    directions = {
        f"{task['name']}.{metric['name']}": metric["direction"] for task in best["terms"]["tasks"] for metric in task["metrics"]
    }
    return {path: ARROWS[directions.get(path) or "minimize"] for path in best["objective"]["values"]}


def _confirmed(best: Best, confirmation: Mapping[str, Any], rules: Sequence[str]) -> Iterator[Row]:
    candidates = [confirmation["candidates"].get(_candidate(best, rule)) for rule in rules]
    for path, arrow in _metrics(best).items():
        yield f"{_metric(path)} {arrow}", [_spread(each["metrics"].get(path)) if each else "" for each in candidates], False
    yield _valued(best), [_spread(each["value"]) if each else "" for each in candidates], True
    leads = [confirmation["against"].get(rule) for rule in rules]
    yield "tuned leads by", [f"{lead['difference']:+.3g}" if lead else "" for lead in leads], False
    yield _level(confirmation), [f"{lead['low']:+.3g} to {lead['high']:+.3g}" if lead else "" for lead in leads], False
    by_value = "by value it is" if confirmation.get("constraints") else "it is"
    yield by_value, [CALLS.get(lead.get("call", ""), "") if lead else "" for lead in leads], False


def _level(confirmation: Mapping[str, Any]) -> str:
    return f"{100 * confirmation.get('level', 0.99):.0f} % interval"


def _measured(best: Best, rules: Sequence[str]) -> Iterator[Row]:
    objectives = [_objective(best, rule) for rule in rules]
    for path, arrow in _metrics(best).items():
        yield f"{_metric(path)} {arrow}", [number(objective["values"].get(path)) for objective in objectives], False
    if best["objective"]["aggregate"] != PARETO:
        yield _valued(best), [number(objective["value"]) for objective in objectives], False


def _valued(best: Best) -> str:
    """Return what the value is of: the aggregate, or for a front the compromise that its finalists are confirmed by."""
    return "compromise" if best["objective"]["aggregate"] == PARETO else str(best["objective"]["aggregate"])


def _spread(spread: Mapping[str, Any] | None) -> str:
    """Return mean±deviation, both to the deviation's second digit."""
    if spread is None or spread["mean"] is None:
        return ""
    mean, std = spread["mean"], spread["std"]
    if not std or not 1e-6 < std < 1e6:
        return number(mean) if std is None else f"{number(mean)}±{std:.2g}"
    decimals = max(0, 1 - math.floor(math.log10(std)))
    return f"{mean:.{decimals}f}±{std:.{decimals}f}"


def conclusion(best: Best) -> list[str]:
    """Return what the document says, in sentences: the verdict, the selection bias, and what else would do as well."""
    confirmation = best.get("confirmation")
    if confirmation is None and best.get("picked_by", "objective") != "objective":
        how = "you picked" if str(best["picked_by"]).startswith("trial ") else f"{best['picked_by']} picks"
        found = [f"Trial {best['trial']} is what {how}, on {_seeds(best)}; what it is worth on others is not known."]
    elif confirmation is None:
        reason = "nothing was confirmed on fresh seeds" if best["final"] else "the study has not ended"
        leads = f"{_leader(best)} the best value on {_seeds(best)}{_among(best)}"
        found = [f"{leads}; whether it is really better is not known: {reason}."]
        found += [_whole(edge["sentence"]) for edge in _edges(best)]
    else:
        found = [f"Verdict: {confirmation['verdict']}", *_promised(confirmation), *rather(best)]
    return [*found, *(_whole(span["sentence"]) for span in _ranges(best) if span.get("sentence"))]


def _leader(best: Best) -> str:
    """Return the leader and its verb. A baseline is named: no search trial is as good then, or none keeps the constraints."""
    rule = _leading(best)
    if rule is None:
        return f"Trial {best['trial']} has"
    return f"No search trial, but a baseline, {_title(rule)} (trial {best['trial']}), has"


def _leading(best: Best) -> str | None:
    """Return the rule of the baseline that leads; None where a search trial does."""
    return next((rule for rule, each in best["baselines"].items() if each["trial"] == best["trial"]), None)


def _among(best: Best) -> str:
    """Return among which trials the leader is the best, where constraints leave some out."""
    return " of all that keep the constraints" if best["objective"].get("violations") else ""


def _whole(clause: str) -> str:
    """Return a clause as a sentence that stands alone."""
    return f"{clause[:1].upper()}{clause[1:]}."


def _ranges(best: Best) -> list[Mapping[str, Any]]:
    return list(((best.get("sensitivity") or {}).get("ranges") or {}).values())


def _edges(best: Best) -> list[Mapping[str, Any]]:
    """Return where a range may be the limit; a verdict says so itself."""
    return [span["edge"] for span in _ranges(best) if span.get("edge")]


def rather(best: Best) -> Iterator[str]:
    """Yield what to train with, where that is not the tuned setting, and how to get it."""
    chosen = best.get("recommended")
    if chosen is not None and chosen["pick"].startswith("baseline:"):
        picked = (
            f" To get them: steelyard best {best['study']['name']} --pick {chosen['pick']}" if chosen["weights"] is not None else ""
        )
        yield f"{chosen['sentence']}{picked}"


def _promised(confirmation: Mapping[str, Any]) -> Iterator[str]:
    optimism = confirmation["optimism"]
    if optimism is not None:
        way = "higher" if optimism >= 0 else "lower"
        yield f"Selection bias: the search scored it {abs(optimism):.3g} {way} than fresh seeds do."
