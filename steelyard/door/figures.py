"""The figures of a result, drawn with plotly where it is installed."""

from __future__ import annotations

from typing import Any

from steelyard.door import plots
from steelyard.door.study_documents import StudyDocuments


class Figures(StudyDocuments):
    """What a study's documents look like as plotly figures."""

    @property
    def comparison(self) -> list[dict[str, Any]]:
        """A row for each setting and metric."""
        raise NotImplementedError

    def plot_comparison(self) -> Any:
        """Return a figure of the settings by the objective's value. Needs plotly."""
        return plots.comparison_figure(self.comparison)

    def plot_slice(self) -> Any:
        """Return a figure of the objective's value by each searched weight. Needs plotly."""
        return plots.slice_figure(self.trials)

    def plot_history(self) -> Any:
        """Return a figure of the objective's value by trial number. Needs plotly."""
        return plots.history_figure(self.trials)

    def plot_pareto_front(self) -> Any:
        """Return a figure of the first two metrics of all search trials, and of those that no other beats. Needs plotly."""
        return plots.front_figure(self.trials, self.definition["objective"])

    def plot_curves(self, trials: list[int] | None = None) -> Any:
        """Return a figure of the objective's metrics by epoch, of the best trial or of those given. Needs plotly."""
        numbers = [int(self._tuned["trial"])] if trials is None else trials
        with self._client() as client:
            return plots.curves_figure(
                [dict(client.trial(self.study, number)) for number in numbers], list(self._tuned["objective"]["values"])
            )
