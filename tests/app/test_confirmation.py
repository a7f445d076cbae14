"""Every repeated setting by seed, over HTTP."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest
from scipy import stats
from sqlalchemy import update

from storage import study_rows, trials
from storage.models import TRIALS
from storage.records import ADAPTIVE_ORIGIN, Measured, Moment, Outcome, Role, StudyState
from tests.app.scenes import DESCRIPTION, DIGIT, NAME, PARITY, Bench, definition, on_sqlite, outcome, planned

PATH, BEST = f"/v1/studies/{NAME}/confirmation", f"/v1/studies/{NAME}/best"
TUNED, YOURS = {1: (0.8, 0.9), 2: (0.7, 0.9), 3: (0.75, 0.8)}, {1: (0.7, 0.8), 2: (0.5, 0.95), 3: (0.6, 0.85)}
"""Accuracies of digit and parity by seed."""


def ended(number: int, digit: float, parity: float) -> Outcome:
    values = {DIGIT: digit, PARITY: parity}
    measured = {Moment.LAST: Measured(validation=values, test=values)}
    return outcome(number, (digit + parity) / 2, values=values, measured=measured)


def confirmed(
    bench: Bench,
    *,
    end: bool = True,
    equal: Mapping[int, tuple[float, float]] = MappingProxyType({}),
    yours: Mapping[int, tuple[float, float]] = MappingProxyType(YOURS),
    tuned: Mapping[int, tuple[float, float]] = MappingProxyType(TUNED),
) -> None:
    """Train a baseline of today's weights and a search trial, and both again on fresh seeds; `yours` and `tuned` are accuracies.

    `equal`: the accuracies of equal weights by seed, to train them too.
    """
    fresh = {"top": 1, "seeds": len(tuned)}
    bench.submit(search={**definition()["search"], "confirmation": fresh, "trials": 1})
    bench.plan(1, role=Role.BASELINE, rule="current")
    bench.plan(1)
    bench.end(bench.start(), [ended(0, 0.5, 0.5), ended(1, 0.9, 0.9)])
    if equal:
        bench.end(bench.start(bench.plan(1, role=Role.BASELINE, rule="equal")), [ended(2, 0.6, 0.6)])
    for confirms, rule, measured in ((0, "current", yours), (1, None, tuned), *([(2, "equal", equal)] if equal else [])):
        again = [replace(planned(0, Role.CONFIRMATION, rule), confirms=confirms, seed=seed) for seed in measured]
        with bench.database.writing() as session:
            study = study_rows.lock_study(session, study_rows.get_study(session, NAME).id)
            added = trials.add_trials(session, study, again, beside=(), now=bench.database.now(session))
        bench.end(bench.start(), [ended(trial.number, *measured[trial.seed]) for trial in added])
    if end:
        bench.ended(StudyState.COMPLETE)


def half_width(values: list[float], error: float = 0.025) -> float:
    """Return half the t interval of the mean that is wrong on either side with the probability `error`, by scipy."""
    low, high = stats.t.interval(1 - 2 * error, len(values) - 1, loc=0, scale=stats.sem(values))
    return float(high - low) / 2


def test_a_study_without_fresh_seeds_has_no_settings(bench: Bench) -> None:
    bench.submit()
    found = bench.get(PATH)
    assert (found["settings"], found["split"], found["winner"], found["verdict"]) == ({}, None, None, None)


def test_every_setting_is_there_by_seed_with_the_number_of_its_training(bench: Bench) -> None:
    confirmed(bench)
    found = bench.get(PATH)
    assert (found["split"], found["level"], found["winner"]) == ("test", 0.95, "trial 1")
    tuned, yours = found["settings"]["trial 1"], found["settings"]["current"]
    assert tuned["metrics"][DIGIT] == {"1": 0.8, "2": 0.7, "3": 0.75}
    assert yours["metrics"][PARITY] == {"1": 0.8, "2": 0.95, "3": 0.85}
    assert tuned["trials"] == {"1": 5, "2": 6, "3": 7}
    assert (tuned["seeds"], tuned["searched"], yours["role"]) == ([1, 2, 3], 0.9, "baseline")


def test_values_and_verdict_are_those_of_the_best_weights(bench: Bench) -> None:
    confirmed(bench)
    found, best = bench.get(PATH), bench.get(BEST)["confirmation"]
    assert found["verdict"] == best["verdict"]
    for name, setting in found["settings"].items():
        assert setting["value"]["mean"] == pytest.approx(best["candidates"][name]["value"]["mean"])
        assert setting["values"] == pytest.approx(
            {str(s): (v[0] + v[1]) / 2 for s, v in (TUNED if name != "current" else YOURS).items()}
        )
    gain = found["against"]["current"]["value"]
    assert {key: gain[key] for key in ("difference", "low", "high", "n")} == pytest.approx(
        {key: best["against"]["current"][key] for key in ("difference", "low", "high", "n")}
    )


def test_means_have_t_intervals_and_differences_are_paired_by_seed(bench: Bench) -> None:
    confirmed(bench)
    found = bench.get(PATH)
    mean = found["settings"]["trial 1"]["means"][DIGIT]
    assert (mean["mean"], mean["n"]) == (pytest.approx(0.75), 3)
    assert mean["high"] - mean["mean"] == pytest.approx(half_width([0.8, 0.7, 0.75]))
    gain = found["against"]["current"]["metrics"][DIGIT]
    differences = [0.1, 0.2, 0.15]
    assert gain["difference"] == pytest.approx(0.15)
    assert gain["high"] - gain["difference"] == pytest.approx(half_width(differences))
    assert gain["better"] == (half_width(differences) < 0.15 or None)


def test_a_difference_that_is_the_same_on_all_seeds_is_no_certain_gain(bench: Bench) -> None:
    confirmed(bench, equal={seed: (digit - 0.1, parity) for seed, (digit, parity) in TUNED.items()})
    gain = bench.get(PATH)["against"]["equal"]["metrics"][DIGIT]
    assert (gain["difference"], gain["better"]) == (pytest.approx(0.1), None)


def bounded(bench: Bench, at_least: float, yours: float) -> dict[str, list[str]]:
    """Confirm a study that bounds parity, of which today's weights measure 0.5 on one seed and `yours` on the other."""
    objective = definition()["objective"]
    bound = {"metric": PARITY, "strategy": "constraint", "at_least": at_least}
    metrics = [*(each for each in objective["metrics"] if each["metric"] != PARITY), bound]
    measured = {0: {1: (0.5, 0.5), 2: (0.5, yours)}, 1: {1: (0.75, 0.5), 2: (0.75, 0.75)}}
    bench.submit(
        search={**definition()["search"], "confirmation": {"top": 1, "seeds": 2}, "trials": 1},
        objective={**objective, "metrics": metrics},
    )
    bench.plan(1, role=Role.BASELINE, rule="current")
    bench.plan(1)
    bench.end(bench.start(), [ended(0, 0.5, 0.9), ended(1, 0.9, 0.9)])
    again = [
        replace(planned(0, Role.CONFIRMATION, rule), confirms=confirms, seed=seed)
        for confirms, rule in ((0, "current"), (1, None))
        for seed in (1, 2)
    ]
    with bench.database.writing() as session:
        study = study_rows.lock_study(session, study_rows.get_study(session, NAME).id)
        added = trials.add_trials(session, study, again, beside=(), now=bench.database.now(session))
    bench.end(bench.start(), [ended(trial.number, *measured[trial.confirms or 0][trial.seed]) for trial in added])
    bench.ended(StudyState.COMPLETE)
    found, best = bench.get(PATH)["settings"], bench.get(BEST)["confirmation"]["candidates"]
    breaks = {name: each["breaks"] for name, each in found.items()}
    assert breaks == {name: each["breaks"] for name, each in best.items()}
    return breaks


@on_sqlite
def test_every_setting_names_the_bounds_that_its_mean_misses(bench: Bench) -> None:
    assert bounded(bench, 0.6, yours=0.625) == {"current": [PARITY], "trial 1": []}


@on_sqlite
def test_a_metric_that_is_no_number_on_some_seed_breaks_its_bound_whatever_the_others_are(bench: Bench) -> None:
    assert bounded(bench, 0.25, yours=math.nan) == {"current": [PARITY], "trial 1": []}


@on_sqlite
def test_a_baseline_stands_for_those_of_the_same_weights_that_were_not_trained_again(bench: Bench) -> None:
    confirmed(bench, end=False)
    alike, other = bench.plan(2, role=Role.BASELINE, rule="equal")
    with bench.database.writing() as session:
        session.execute(update(TRIALS).where(TRIALS.c.number == other).values(rule="random"))
    bench.end(bench.start(), [ended(alike, 0.6, 0.6), ended(other, 0.6, 0.6)])
    bench.ended(StudyState.COMPLETE)
    expected = {"current": ["equal"], "trial 1": []}
    assert {name: each["stands_for"] for name, each in bench.get(PATH)["settings"].items()} == expected
    assert {name: each["stands_for"] for name, each in bench.get(BEST)["confirmation"]["candidates"].items()} == expected


def test_while_the_confirmation_runs_there_are_seeds_but_no_winner(bench: Bench) -> None:
    confirmed(bench, end=False)
    found = bench.get(PATH)
    assert (found["winner"], found["against"], found["final"]) == (None, {}, False)
    assert found["settings"]["trial 1"]["values"] == {}
    assert found["settings"]["trial 1"]["means"][PARITY]["mean"] == pytest.approx((0.9 + 0.9 + 0.8) / 3)


def test_a_number_that_is_not_finite_is_named_and_left_out_of_the_mean(bench: Bench) -> None:
    bench.submit(search={**definition()["search"], "confirmation": {"top": 1, "seeds": 2}, "trials": 1})
    bench.plan(1)
    bench.end(bench.start(), [ended(0, 0.9, 0.9)])
    again = [replace(planned(0, Role.CONFIRMATION), confirms=0, seed=seed) for seed in (1, 2)]
    with bench.database.writing() as session:
        study = study_rows.lock_study(session, study_rows.get_study(session, NAME).id)
        trials.add_trials(session, study, again, beside=(), now=bench.database.now(session))
    odd = Measured(validation={DIGIT: math.inf, PARITY: 0.5})
    bench.end(bench.start(), [outcome(1, 0.5, measured={Moment.LAST: odd}), ended(2, 0.75, 0.5)])
    found = bench.get(PATH)
    setting = found["settings"]["trial 0"]
    assert setting["metrics"][DIGIT] == {"1": None, "2": 0.75}
    assert found["not_finite"][f"settings.trial 0.metrics.{DIGIT}.1"] == "inf"
    assert (setting["means"][DIGIT]["mean"], setting["means"][DIGIT]["n"]) == (0.75, 1)


def test_the_story_reads_in_percent_what_the_catalog_says_and_a_metric_of_the_workload_as_it_is(bench: Bench) -> None:
    confirmed(bench)
    bench.publish({**DESCRIPTION, "metrics": [PARITY.partition(".")[2]]})
    story = bench.get(BEST)["confirmation"]["story"]
    assert story == "digit accuracy 60.0 -> 75.0 %, parity accuracy 0.867 -> 0.867"


def test_a_baseline_that_moves_its_weights_says_so_in_every_document(bench: Bench) -> None:
    confirmed(bench)
    with bench.database.writing() as session:
        session.execute(update(TRIALS).where(TRIALS.c.number == 0).values(origin=ADAPTIVE_ORIGIN))
    assert bench.get(BEST)["baselines"]["current"]["moves"] is True
    assert {name: each["moves"] for name, each in bench.get(PATH)["settings"].items()} == {"current": True, "trial 1": False}


def test_without_a_better_baseline_the_winner_is_what_is_recommended(bench: Bench) -> None:
    confirmed(bench)
    found = bench.get(PATH)
    assert (found["recommended"], found["recommended_against"]) == ("trial 1", found["against"])


def test_a_recommended_baseline_is_held_against_every_other_setting(bench: Bench) -> None:
    confirmed(bench, equal={1: (0.81, 0.91), 2: (0.72, 0.9), 3: (0.75, 0.83)})
    found = bench.get(PATH)
    leads = found["recommended_against"]
    assert (found["recommended"], set(leads)) == ("equal", {"trial 1", "current"})
    over_yours, over_tuned = leads["current"]["metrics"][DIGIT], leads["trial 1"]["metrics"][DIGIT]
    assert over_yours["difference"] == pytest.approx((0.11 + 0.22 + 0.15) / 3)
    # the better one of two baselines: corrected for both
    assert over_yours["high"] - over_yours["difference"] == pytest.approx(half_width([0.11, 0.22, 0.15], 0.0125))
    lead = leads["current"]["value"]
    assert lead["difference"] == pytest.approx((0.11 + 0.085 + 0.065) / 3)
    assert lead["high"] - lead["difference"] == pytest.approx(half_width([0.11, 0.085, 0.065], 0.0125))
    behind = found["against"]["equal"]["metrics"][DIGIT]
    assert (over_tuned["low"], over_tuned["high"]) == pytest.approx((-behind["high"], -behind["low"]))


def test_the_lead_of_a_recommended_baseline_has_the_error_of_the_last_look(bench: Bench) -> None:
    """Of six seeds the winner is compared after four and six: 2 - 2 Phi(2.2414 / sqrt(4 / 6)) = .00605 of .025 is spent at four."""
    ups = (0.1, -0.1, 0.08, -0.09, 0.11, -0.1)
    tuned, yours, equal = (
        {seed: (0.6 + way * up + at, 0.7) for seed, up in enumerate(ups, 1)} for way, at in ((1, 0.0), (-1, 0.01), (-0.9, 0.18))
    )
    confirmed(bench, tuned=tuned, yours=yours, equal=equal)
    looks = bench.get(BEST)["confirmation"]["looks"]
    found = bench.get(PATH)
    assert ([look["after"] for look in looks], found["recommended"]) == ([4, 4, 6, 6], "equal")
    lead = found["recommended_against"]["current"]["value"]
    differences = [(0.17 + 0.1 * up) / 2 for up in ups]
    assert lead["difference"] == pytest.approx(sum(differences) / 6)
    assert lead["high"] - lead["difference"] == pytest.approx(half_width(differences, (0.025 - 0.006048) / 2), rel=1e-3)
