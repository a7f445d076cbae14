"""Set the best trial beside those it should be judged against: what the user has today, other baselines, the median trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from steelyard.formatting import figure, number, plain, worth

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

    @property
    def sentence(self) -> str:
        """What came out, in a sentence or two."""
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
    found = client.trial(name, study["best"]["number"])
    columns = [Compared("best", found), *(Compared(_label(trial), trial) for trial in baselines)]
    median = _median(client, name)
    if median is not None and median["number"] != found["number"]:
        columns.append(Compared("median", median))
    metrics = study["definition"].get("objective", {}).get("metrics", [])
    return Comparison(columns, {entry["metric"]: ARROWS.get(entry.get("direction"), "") for entry in metrics})


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
    return table
