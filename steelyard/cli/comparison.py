"""Set the best trial beside those it should be judged against: what the user has today, other baselines, the median trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from steelyard.wording import figure, number, plain, worth

if TYPE_CHECKING:
    from steelyard.client import Client
    from steelyard.documents import Study, Trial

ARROWS = {"maximize": "↑", "minimize": "↓"}


@dataclass(frozen=True, slots=True)
class Compared:
    """A trial under the name that it is compared by."""

    label: str
    trial: Trial


@dataclass(frozen=True, slots=True)
class Comparison:
    """The best trial first, then the others. `metrics` are the objective's, with their directions."""

    columns: Sequence[Compared]
    metrics: Mapping[str, str]
    confirmation: Mapping[str, Any] | None = None

    @property
    def sentence(self) -> str:
        """What came out, in a sentence or two."""
        if self.confirmation is not None:
            optimism = self.confirmation["optimism"]
            told = "" if optimism is None else f" The search had promised {optimism:+.2g} more than it is worth there."
            return f"Verdict: {self.confirmation['verdict']}{told}"
        best = self.columns[0].trial
        value = best["objective"]["value"]
        text = f"Trial {best['number']} is the best, worth {number(value)}"
        yours = next((column.trial for column in self.columns if column.label == "yours"), None)
        if yours is None:
            return text + "."
        today = yours["objective"]["value"]
        if yours["number"] == best["number"] or value is None or today is None:
            return text + ("; these are your weights of today." if yours["number"] == best["number"] else ".")
        return f"{text}; your weights of today are worth {number(today)} ({value - today:+.2g} by the search)."


def compare(client: Client, study: Study) -> Comparison:
    """Fetch the trials to be compared. The study must have a best one."""
    assert study["best"] is not None
    name = study["name"]
    baselines = list(client.trials(name, role="baseline"))
    confirmation: Mapping[str, Any] | None = None
    winner = study["best"]["number"]
    if study["state"] == "COMPLETE" and study["definition"].get("search", {}).get("confirmation"):
        document = client.best(name)
        winner, confirmation = document["trial"], document.get("confirmation")
    found = client.trial(name, winner)
    columns = [Compared("best", found), *(Compared(_label(trial), trial) for trial in baselines)]
    median = _median(client, name)
    if median is not None and median["number"] != found["number"]:
        columns.append(Compared("median", median))
    metrics = study["definition"].get("objective", {}).get("metrics", [])
    return Comparison(columns, {entry["metric"]: ARROWS.get(entry.get("direction"), "") for entry in metrics}, confirmation)


def _label(trial: Trial) -> str:
    return "yours" if trial["rule"] == "current" else str(trial["rule"] or f"baseline {trial['number']}")


def _median(client: Client, name: str) -> Trial | None:
    """Return the search trial in the middle of the ranking: what one would have had by luck."""
    ranked = list(client.trials(name, role="search", state="COMPLETE", order_by="-objective", page_size=1000))
    return next(islice(ranked, len(ranked) // 2, None), None)


def comparison_table(comparison: Comparison) -> Table:
    """Draw one column a trial, and one row a weight, an objective metric, and the value."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for column in comparison.columns:
        table.add_column(plain(column.label), justify="right", style="bold" if column.label == "best" else "")
    trials = [column.trial for column in comparison.columns]
    table.add_row("trial", *(str(trial["number"]) for trial in trials), end_section=True)
    weights = [f"weight {path}" for path in trials[0]["weights"]]
    for title, path in zip(weights, trials[0]["weights"], strict=True):
        table.add_row(plain(title), *(number(trial["weights"].get(path)) for trial in trials), end_section=title == weights[-1])
    for path, arrow in comparison.metrics.items():
        table.add_row(plain(f"{path} {arrow}"), *(figure(trial, "objective", "values", path) for trial in trials))
    table.add_row("value", *(worth(trial) for trial in trials), style="bold", end_section=True)
    if comparison.confirmation is not None:
        _add_confirmed(table, comparison, comparison.confirmation)
    return table


def _add_confirmed(table: Table, comparison: Comparison, confirmation: Mapping[str, Any]) -> None:
    """Add what fresh seeds measured: mean ± standard deviation."""
    candidates = [
        confirmation["candidates"].get(column.trial["rule"] or f"trial {column.trial['number']}") for column in comparison.columns
    ]
    table.add_row(f"{len(confirmation['seeds'])} fresh seeds, {confirmation['split']}:")
    for path, arrow in comparison.metrics.items():
        table.add_row(plain(f"{path} {arrow}"), *(_spread(each["metrics"].get(path)) if each else "" for each in candidates))
    table.add_row("value", *(_spread(each["value"]) if each else "" for each in candidates), style="bold")


def _spread(spread: Mapping[str, Any] | None) -> str:
    if spread is None or spread["mean"] is None:
        return ""
    return number(spread["mean"]) if spread["std"] is None else f"{number(spread['mean'])} ± {spread['std']:.2g}"
