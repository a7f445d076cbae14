"""What a result says and draws, from documents whose numbers are known."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest

import steelyard
from steelyard.door.result import Result
from steelyard.errors import SeveralBest, SteelyardError
from tests.steelyard.door.test_answer import document

MEMORY = {"outputs": ["a", "b"], "compile_outputs": ["a", "b"], "own_losses": [], "weighted": []}
RANGE = {"low": 0.01, "high": 100.0}
METRICS = [{"metric": "a.mse", "direction": "minimize"}, {"metric": "b.mse", "direction": "minimize"}]


def trial(number: int, weight: float, a: float, b: float, **more: Any) -> dict[str, Any]:
    """Return a search trial whose value is the negative sum of its two errors."""
    found = {
        "number": number, "role": "search", "rule": None, "state": "COMPLETE", "seed": 0,
        "weights": {"a.mse": 1.0, "b.mse": weight}, "metrics": {"validation": {"a.mse": a, "b.mse": b}},
        "objective": {"value": -(a + b), "values": {"a.mse": a, "b.mse": b}, "feasible": True},
    }  # fmt: skip
    return {**found, **more}


BASELINE = trial(0, 1.0, 9.0, 9.0, role="baseline", rule="current")
LOST = trial(4, 50.0, 0.0, 0.0, state="DIVERGED", objective={"value": None, "values": {"a.mse": None, "b.mse": None}})
TRIALS = [BASELINE, trial(1, 0.1, 3.0, 1.0), trial(2, 2.0, 1.0, 2.0), trial(3, 8.0, 2.0, 3.0), LOST]


def result(trials: list[dict[str, Any]] = TRIALS, metrics: Any = METRICS, **best: Any) -> Result:
    """Return a saved result."""
    tasks = [{"name": name, "losses": [{"name": "mse", "weight": weight}]} for name, weight in (("a", 1.0), ("b", RANGE))]
    definition = {"tasks": tasks, "objective": {"metrics": metrics}, "search": {"confirmation": {}}}
    study = {"name": "s", "state": "COMPLETE", "ended": True, "warnings": ["<b>"], "best": {"number": 7}, "definition": definition}
    found = document(**best)
    found["confirmation"] |= {"verdict": "better by 2", "split": "test", "optimism": 0.25, "seeds": [11, 12, 13]}
    found |= {"schedules": {}, "parameters": {}, "seeds": [0], "final": True, "picked_by": "objective", "study": {"name": "s"}}
    return Result("s", None, MEMORY, None, {"best": found, "study": study, "trials": trials})


def test_what_fresh_seeds_say_is_read_off_the_document() -> None:
    found = result(low=0.5, high=3.5)
    assert (found.recommended, found.better, found.interval) == ("tuned", True, (0.5, 3.5))
    assert (found.verdict, found.judged_on, found.selection_bias) == ("better by 2", "test", 0.25)
    assert (found.state, found.loss_weights, found.penalty_weights) == ("COMPLETE", {"a": 1.0, "b": 0.3}, {})
    assert (result(low=-1.0).better, result(low=-1.0).recommended) == (False, "yours")
    assert [each["number"] for each in found.errors] == [4]
    assert found.warnings == ["<b>"]


def test_a_lead_over_another_baseline_is_no_lead_over_yours() -> None:
    found = result()
    found._tuned["confirmation"]["against"] = {"uncertainty": {"low": 1.0, "high": 2.0}}
    assert (found.better, found.interval) == (None, None)


def test_a_result_is_shown_where_a_rule_that_moves_weights_is_recommended() -> None:
    found = result(recommended={"pick": "baseline:uncertainty", "weights": None, "loss_weights": None, "sentence": "Use it."})
    assert found.recommended == "uncertainty"
    assert "uncertainty" in str(found)
    with pytest.raises(ValueError, match="moves the weights in training"):
        found.loss_weights  # noqa: B018


def test_another_setting_is_picked_by_name_or_number() -> None:
    found = result()
    assert found.pick("yours").loss_weights == {"a": 1.0, "b": 1.0}
    assert found.pick(2).loss_weights == {"a": 1.0, "b": 2.0}
    with pytest.raises(ValueError, match="study s has no trial 9"):
        found.pick(9)


def test_a_saved_result_says_the_same_and_names_what_needs_the_service(tmp_path: Path) -> None:
    found = result()
    found.save(tmp_path / "kept.json")
    again = steelyard.load(tmp_path / "kept.json")
    for name in ("recommended", "loss_weights", "verdict", "interval", "comparison", "trials", "warnings", "definition"):
        assert getattr(again, name) == getattr(found, name), name
    assert again.summary() == found.summary()
    for asks in (again.plot_curves, again.stop, again.open, lambda: again.rank("a.mse"), lambda: again.pick("knee")):
        with pytest.raises(SteelyardError, match=r"steelyard.load\('s'\) asks the service"):
            asks()
    with pytest.raises(SteelyardError, match=r"pass one, result\.apply"):
        again.apply()
    with pytest.raises(SteelyardError, match=r"call steelyard\.search again"):
        again.fit()
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ValueError, match="is no saved result"):
        steelyard.load(tmp_path / "other.json")


def test_a_page_holds_the_answer_with_its_text_escaped(tmp_path: Path) -> None:
    found = result()
    found.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert found._repr_html_() in page
    assert "Warning: &lt;b&gt;" in page
    assert "<b>" not in page
    assert "<th>a.mse</th><td>1 ± 0.1</td><td>0.5 ± 0.1</td>" in page  # tuned, yours


def test_the_table_has_eighty_columns_and_the_summary_says_what_to_use() -> None:
    found = result()
    lines = found.table().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("yours" in line for line in lines)
    assert found.summary().splitlines()[0] == "Verdict: better by 2"
    assert "Use: tuned." in found.summary().splitlines()
    assert str(found) == f"{found.summary()}\n{found.table()}"


def test_the_python_text_compiles_a_model_with_the_weights() -> None:
    inputs = keras.Input((2,))
    model = keras.Model(inputs, {name: keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b")})
    names: dict[str, Any] = {}
    exec(result().to_python(), names)
    compiled = names["compiled"](model)
    assert names["LOSS_WEIGHTS"] == {"a": 1.0, "b": 0.3}
    assert isinstance(compiled.optimizer, keras.optimizers.Adam)
    assert compiled.compiled


# A front, and nothing yet


class Asked:
    """A service whose study has a front."""

    def get(self, study: str) -> Any:
        return {**result()._document("study"), "best": None}

    def trials(self, study: str) -> Any:
        return iter(TRIALS)

    def sensitivity(self, study: str) -> Any:
        raise SteelyardError("not worked out")

    def best(self, study: str, pick: str | None = None) -> Any:
        if pick is None:
            picks = {"confirmed": 1, "knee": 2, "nearest_ideal": 2, "metric:a.mse": 1}
            raise SeveralBest(409, {"type": "/problems/several-best", "detail": "There is a front", "picks": picks})
        found = {**document(), "picked_by": pick, "loss_weights": {"a": 1.0, "b": 2.0}, "seeds": [0], "final": True}
        del found["confirmation"]
        return found


@pytest.fixture
def on_front(monkeypatch: pytest.MonkeyPatch) -> Result:
    @contextlib.contextmanager
    def client(self: Result) -> Iterator[Asked]:
        yield Asked()

    monkeypatch.setattr(Result, "_client", client)
    return Result("s", "http://service", MEMORY)


def test_a_front_is_printed_with_what_may_be_picked(on_front: Result) -> None:
    assert str(on_front).startswith(
        "s: COMPLETE. study 's' has a front of best settings, not one: result.pick('confirmed'), result.pick('knee'), "
    )
    assert "result.pick(&#x27;knee&#x27;)" in on_front._repr_html_()
    with pytest.raises(SteelyardError, match="plot_pareto_front"):
        assert on_front.loss_weights


def test_what_was_picked_of_a_front_has_weights_and_a_summary_and_is_saved(on_front: Result, tmp_path: Path) -> None:
    knee = on_front.pick("knee")
    assert knee.loss_weights == {"a": 1.0, "b": 2.0}
    assert knee.verdict == "Trial 7 is what knee picks, on one seed; what it is worth on others is not known."
    assert knee.verdict in knee.summary()
    knee.save(tmp_path / "knee.json")
    again = steelyard.load(tmp_path / "knee.json")
    assert again.loss_weights == {"a": 1.0, "b": 2.0}


@pytest.mark.parametrize(("pick", "weight"), [("confirmed", 2.0), (3, 8.0)])
def test_the_confirmed_trial_and_any_other_of_a_front_are_picked(on_front: Result, pick: Any, weight: float) -> None:
    found = on_front.pick(pick)
    assert found.loss_weights == {"a": 1.0, "b": weight}
    number, how = (7, "confirmed picks") if pick == "confirmed" else (3, "you picked")
    assert found.verdict.startswith(f"Trial {number} is what {how}, on one seed; ")


def test_a_result_of_another_service_stays_with_it() -> None:
    assert Result("s", "http://elsewhere:1", {**MEMORY, "local": False}).url == "http://elsewhere:1"


# Figures and frames


def test_trials_become_rows_of_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    rows = result().trials_dataframe()
    assert [row["number"] for row in rows] == [0, 1, 2, 3, 4]
    assert (rows[2]["value"], rows[2]["weight b.mse"], rows[2]["validation a.mse"]) == (-3.0, 2.0, 1.0)


@pytest.mark.parametrize(("module", "asks"), [("pandas", "trials_dataframe"), ("plotly", "plot_history")])
def test_what_is_not_installed_is_named(module: str, asks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SteelyardError, match=module):
        getattr(result(), asks)()


def test_figures_show_the_numbers_of_the_trials() -> None:
    found = result()
    (bars,) = found.plot_comparison().data
    assert (list(bars.x), list(bars.y), list(bars.error_y.array)) == (["tuned", "yours"], [2.0, 0.0], [0.1, 0.1])
    (points,) = found.plot_slice().data  # the weight of a is 1 in all
    assert (points.name, list(points.x), list(points.y)) == ("b.mse", [0.1, 2.0, 8.0], [-4.0, -3.0, -5.0])
    values, best = found.plot_history().data
    assert (list(values.x), list(values.y), list(best.y)) == ([1, 2, 3], [-4.0, -3.0, -5.0], [-4.0, -3.0, -3.0])


@pytest.mark.parametrize("one_value", [True, False])
def test_the_front_is_drawn_whether_trials_have_one_value_or_not(one_value: bool) -> None:
    trials = [each if one_value else {**each, "objective": {**each["objective"], "value": None}} for each in TRIALS]
    shown, front = result(trials).plot_pareto_front().data
    assert (list(shown.x), list(shown.y)) == ([3.0, 1.0, 2.0], [1.0, 2.0, 3.0])
    assert (list(front.x), list(front.y), list(front.text)) == ([1.0, 3.0], [2.0, 1.0], ["trial 2", "trial 1"])
    if not one_value:
        with pytest.raises(SteelyardError, match="no search trial has one value"):
            result(trials).plot_history()
    with pytest.raises(SteelyardError, match="two metrics or more"):
        result(trials, METRICS[:1]).plot_pareto_front()


# With a service


class Service:
    """What a client is asked for."""

    def trial(self, study: str, number: int) -> dict[str, Any]:
        epochs = [{"epoch": epoch, "validation": {"a.mse": 4.0 / epoch, "b.mse": 1.0}} for epoch in (1, 2)]
        return {"number": number, "intermediate_values": epochs}

    def rank(self, study: str, objective: Any) -> dict[str, Any]:
        return {"asked": [study, objective]}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Result:
    @contextlib.contextmanager
    def client(self: Result) -> Iterator[Service]:
        yield Service()

    monkeypatch.setattr(Result, "_client", client)
    return result()


def test_curves_are_those_of_the_best_trial_or_of_those_given(served: Result) -> None:
    a, b = served.plot_curves().data
    assert (a.name, list(a.x), list(a.y), list(b.y)) == ("trial 7 a.mse", [1, 2], [4.0, 2.0], [1.0, 1.0])
    assert len(served.plot_curves([1, 2]).data) == 4


def test_a_ranking_is_marked_as_not_confirmed(served: Result) -> None:
    assert served.rank("a.mse") == {"asked": ["s", "a.mse"], "confirmed": False}
