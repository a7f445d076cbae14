"""What a search found: the answer, the numbers behind it, and the model that trains it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.export.reproduction import Published
from steelyard.door import answer
from steelyard.door.applying import OwnTerms, apply_document, flat, returns_names
from steelyard.door.figures import Figures
from steelyard.door.study_documents import is_front_pick
from steelyard.errors import SteelyardError
from steelyard.formatting import UNPUBLISHED

if TYPE_CHECKING:
    from steelyard.client import Client

FORMAT = "steelyard/result"
VERSION = 1


class Result(Figures):
    """A study of `steelyard.search`. Its numbers are read from the service when they are first asked for."""

    @cached_property
    def _published(self) -> Published:
        own, weighted = frozenset(self._memory["own_losses"]), frozenset(self._memory["weighted"])
        return Published(tuple(self._memory["outputs"]), own, weighted)

    @property
    def best(self) -> dict[str, Any]:
        """The best-weights document of this result's setting: the recommended one, or the one that was picked."""
        pick = self.recommended if self._pick is None else self._pick
        if isinstance(pick, int):
            return self._of_trial(pick)
        if pick == answer.TUNED:
            return dict(self._tuned)
        if is_front_pick(pick):
            return dict(self._document(f"best {pick}"))
        return answer.of_setting(self._tuned, pick, self._published)

    def _of_trial(self, number: int) -> dict[str, Any]:
        trial = next((each for each in self.trials if each["number"] == number), None)
        if trial is None:
            raise ValueError(f"study {self.study} has no trial {number}")
        given = {f"trial {number}": trial}
        known = {**self._tuned, "baselines": {**self._tuned["baselines"], **given}}
        return {**answer.of_setting(known, f"trial {number}", self._published), "picked_by": f"trial {number}"}

    # The answer

    @property
    def recommended(self) -> str:
        """What to use: "tuned", "yours", "equal" or a baseline's name."""
        return answer.recommended(self._tuned)

    @property
    def loss_weights(self) -> Any:
        """The weights in `compile`'s form: a list where your losses are one, else by output. Raises ValueError where it has none.

        Keras sorts the keys of a dict beside a list of losses, and would swap weights in silence.
        """
        document = answer.with_own_losses(self.best, self._published)
        if "loss_weights" not in document:
            raise ValueError(f"{document['note']} (result.apply() returns a model that trains it)")
        found = answer.renamed(document, self._renames)["loss_weights"]
        return [found[output] for output in self._memory["compile_outputs"]] if self._memory.get("loss_form") == "list" else found

    @property
    def _renames(self) -> dict[str, str]:
        return dict(zip(self._memory["outputs"], self._memory["compile_outputs"], strict=True))

    @property
    def penalty_weights(self) -> dict[str, float]:
        """The weights of the penalties by name."""
        return dict(self.best["penalty_weights"])

    @property
    def verdict(self) -> str:
        """What fresh seeds say, in a sentence; without a confirmation, how the setting was picked and what is not known of it."""
        from steelyard.cli.best_table import conclusion

        confirmation = self._tuned.get("confirmation")
        if confirmation is None:
            return conclusion(self.best if isinstance(self._pick, int) else self._tuned)[0]
        return str(confirmation["verdict"])

    @property
    def better(self) -> bool | None:
        """Whether the tuned weights are better than yours on fresh seeds; None where they did not meet there: see `verdict`."""
        found = answer.over_yours(self._tuned)
        return None if found is None or found[0] is None else bool(found[0] > 0)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of the tuned weights' lead over yours (equal weights where you have none), paired over fresh seeds.

        None where they did not meet there, since other baselines were better: `verdict` has their intervals.
        """
        return answer.over_yours(self._tuned)

    @property
    def judged_on(self) -> str:
        """The split that the verdict is of: "test" or "validation"."""
        return str((self._tuned.get("confirmation") or {}).get("split", "validation"))

    @property
    def warnings(self) -> list[str]:
        """What should be known beside the answer."""
        found = [each for each in self._document("study")["warnings"] if not each.startswith(UNPUBLISHED)]
        found += answer.at_edge(self._tuned, self.definition, self._memory.get("default_ranges", ()))
        with contextlib.suppress(ValueError):  # of a recommended rule that moves weights nothing can be compiled
            found += answer.of_row_weights(self.best, self._published)
        if self.judged_on == "validation":
            found.append("the validation rows chose the weights and judge them too; pass test_data to judge on other rows")
        return found

    @property
    def selection_bias(self) -> float | None:
        """By how much the search scored the winner higher than fresh seeds do; None where nothing was confirmed."""
        return (self._tuned.get("confirmation") or {}).get("optimism")

    @property
    def comparison(self) -> list[dict[str, Any]]:
        """A row for each setting and metric: mean, std, n, and the interval of the tuned setting's lead."""
        return answer.comparison(self._tuned)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """For each searched weight, the values that are as good as the winner, in `compile`'s units."""
        return answer.ranges(self._tuned)

    def sensitivity(self) -> dict[str, Any]:
        """Return how much each weight matters."""
        return dict(self._document("sensitivity"))

    # Use it

    def pick(self, rule: str | int) -> Result:
        """Return the result for another setting: "tuned", "yours", "equal", "baseline:NAME", "knee", or a trial's number."""
        found = Result(self.study, self._url, self._memory, self._source, self._documents if self._saved else None, rule)
        assert found.best  # refuses what there is not
        return found

    def apply(self, model: Any = None, optimizer: Any = None) -> Any:
        """Return a compiled model that trains this setting; by default a new model of the call, as each training began.

        Its outputs have the form and the names of the given model's, or of the call's.
        """
        from search.training.user.apply import apply

        own = None if self._source is None else OwnTerms(self._source.own)
        used = self._fresh(0) if model is None else model
        return apply(used, answer.renamed(self.best, self._names_in(used)), optimizer, workload=own)

    def _names_in(self, model: Any) -> dict[str, str]:
        """Return what a model calls the study's outputs, where it names them by its layers: `dense_7` for `dense`."""
        names, known = tuple(getattr(model, "output_names", None) or ()), self._renames
        if not returns_names(model):
            return {}
        if set(known.values()) <= set(names):
            return known
        by_position = len(names) == len(known) and not set(known) <= set(names)
        return dict(zip(known, names, strict=True)) if by_position else {}

    def fit(self, model: Any = None, *, seed: int | None = None) -> Any:
        """Train this setting as the study does, and return the model: the call's rows, and their order under the seed.

        It trains all epochs; up to the setting's best one where each training's best epoch counts, as under EarlyStopping.
        The model returns outputs in the form of the call's model where `compile` can say the setting, else a dict by name.
        """
        if self._source is None:
            raise SteelyardError("the rows are not here any more: call steelyard.search again, or use result.apply() and fit")
        from steelyard.door.training import best_epoch, named_model, trained

        used = int(self._tuned["seeds"][0]) if seed is None else seed
        fresh = self._fresh(used) if model is None else model
        names = self._names_in(fresh)
        document = answer.renamed(self.best, names)
        studied = named_model(self._source, fresh) if model is None else fresh
        compiled = apply_document(studied, self.best if model is None else document, self._source.own)
        training = self.best["training"]
        by_best = self.definition["objective"]["epoch"] == "best"
        epochs = best_epoch(self.best, self._tuned, self.trials, used) if by_best else int(training["epochs"])
        found = trained(compiled, self._source, training, epochs, used, {} if model is None else names)
        return apply_document(fresh, document, self._source.own) if model is None and found is studied and names else found

    def _fresh(self, seed: int) -> Any:
        if self._source is None:
            raise SteelyardError("the model is not here any more: pass one, result.apply(model)")
        from steelyard.door.training import fresh_model

        return fresh_model(self._source, seed)

    def to_python(self) -> str:
        """Return Python text that compiles a model with this setting. Raises ValueError where `compile` cannot say it."""
        from steelyard.door.python_text import compile_text

        return compile_text(answer.renamed(self.best, self._renames))

    def save(self, path: str | Path) -> None:
        """Write the result to a file that `steelyard.load` reads without a service."""
        documents = {name: self._document(name) for name in ("study", self._best_name, "trials")}
        with contextlib.suppress(SteelyardError):
            documents["sensitivity"] = self._document("sensitivity")
        text = json.dumps(
            {"format": FORMAT, "version": VERSION, "memory": dict(self._memory), "pick": self._pick, "documents": documents}
        )
        Path(path).write_text(text)

    def to_html(self, path: str | Path) -> None:
        """Write the answer as a page of its own."""
        from steelyard.door.html import page_html

        Path(path).write_text(page_html(self.study, self._repr_html_()))

    # Look at it

    def summary(self) -> str:
        """Return the answer in a few sentences."""
        from steelyard.cli.best_table import conclusion

        confirmed = "confirmation" in self._tuned
        lines = list(conclusion(self._tuned)) if confirmed else [f"Verdict: {self.verdict}"]
        return "\n".join([*lines, f"Use: {self.recommended}.", *(f"Warning: {each}" for each in self.warnings)])

    def table(self) -> str:
        """Return equal weights, yours and the tuned ones side by side, as text of 80 columns."""
        from rich.console import Console

        from steelyard.cli.best_table import AnswerTable

        console = Console(width=80, color_system=None)
        with console.capture() as text:
            console.print(AnswerTable(self._tuned))
        return text.get()

    def trials_dataframe(self) -> Any:
        """Return one row a trial: number, role, state, value, weights and metrics. Needs pandas."""
        try:
            import pandas
        except ImportError:
            raise SteelyardError("trials_dataframe() needs pandas; result.trials has the same as a list") from None
        return pandas.DataFrame([flat(trial) for trial in self.trials])

    def __repr__(self) -> str:
        return f"<Result of {self.study}>"

    def __str__(self) -> str:
        try:
            return f"{self.summary()}\n{self.table()}"
        except SteelyardError as error:  # no trial yet, none that keeps the constraints, or a front
            return f"{self.study}: {self.state}. {error}"

    def _repr_html_(self) -> str:
        from steelyard.door.html import answer_html

        try:
            return answer_html(self.study, self.summary(), self.comparison)
        except SteelyardError:
            return f"<p>{escape(str(self))}</p>"

    def open(self) -> None:
        """Open the study in a browser. Raises SteelyardError for a saved result: no service is asked for it."""
        import webbrowser

        with self._client() as client:
            webbrowser.open(client.page(self.study) if client.has_page() else f"{client.base_url}/v1/studies/{self.study}")

    # Go on

    def rank(self, objective: Any) -> Any:
        """Return the trials under another objective, from what is stored; the ranking is not confirmed."""
        with self._client() as client:
            return {**client.rank(self.study, objective), "confirmed": False}

    def stop(self) -> None:
        """Let what runs finish, then end the study."""
        with self._client() as client:
            client.stop(self.study)

    def wait(self, timeout: float | None = None) -> Result:
        """Wait for the study's end. Raises WaitTimeout after `timeout` seconds."""
        with self._client() as client:
            client.wait(self.study, timeout=timeout)
        return self

    def extend(self, trials: int) -> Result:
        """Search on to so many search trials in all, and return what came of it; this result keeps its numbers.

        Raises SteelyardError for a result that was loaded: its model and rows are with the call.
        """
        return self._go_on(lambda client: client.extend(self.study, trials))

    def confirm(self) -> Result:
        """Repeat the winner of a search without a confirmation on fresh seeds, and return what came of it.

        Raises SteelyardError for a result that was loaded: its model and rows are with the call.
        """
        if self.definition["search"]["confirmation"] is not None:
            return self
        return self._go_on(lambda client: client.confirm(self.study))

    def _go_on(self, change: Callable[[Client], Any]) -> Result:
        if self._source is None:
            raise SteelyardError(
                "the model and its rows are not here any more: call steelyard.search again, and extend or confirm its result"
            )
        from steelyard.door.run import gone_on

        return gone_on(self.study, self._source, change)
