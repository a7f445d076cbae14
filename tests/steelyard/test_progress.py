"""What is shown of a running study."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from steelyard.formatting import because, duration, figure, number, plain, share_done, standing, warnings_of, worth
from steelyard.progress import ProgressLines, StudyProgress, shown_on
from tests.steelyard.fakes import study

BEST = {"number": 7, "objective": {"value": 0.95714, "values": {}, "feasible": True, "violations": {}}}


def screen(terminal: bool = True) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)


def text_of(console: Console) -> str:
    return console.file.getvalue()


def test_a_running_study_shows_trials_running_best_and_time_left():
    running = study(counts={"COMPLETE": 3, "DIVERGED": 1, "RUNNING": 2}, progress={"seconds_left": 95}, best=BEST)
    assert standing(running) == "4/10 trials, 2 running, best 0.9571 (trial 7), 1 min 35 s left"


def test_a_waiting_study_shows_for_what():
    queued = study(state="QUEUED", reason={"code": "no_live_worker", "message": "no live worker has workload 'ads'", "at": None})
    assert standing(queued) == "0/10 trials, QUEUED, no live worker has workload 'ads'"


def test_a_queued_study_that_waits_for_nothing_is_being_prepared():
    assert standing(study(state="QUEUED")) == "0/10 trials, QUEUED, being prepared"


@pytest.mark.parametrize(("started_at", "kept"), [(None, 2), ("2026-01-01T12:00:00Z", 1)])
def test_what_the_preparation_of_a_study_checks_is_no_warning_after_it(started_at, kept):
    warnings = ["no worker has published workload 'ads' yet, so its outputs are checked later", "few trials"]
    found = study(warnings=warnings, times={**study()["times"], "started_at": started_at})
    assert warnings_of(found) == warnings[-kept:]


def test_an_infeasible_best_is_marked():
    objective = {"value": 0.5, "values": {}, "feasible": False, "violations": {"a": 1.0}}
    assert worth({"objective": objective}) == "0.5 (infeasible)"


def test_a_number_that_json_cannot_say_is_named():
    trial = {"objective": {"value": None, "values": {"a.b": None}}, "not_finite": {"objective.values.a.b": "nan"}}
    assert figure(trial, "objective", "values", "a.b") == "nan"
    assert figure({"m": {"a.auc": None}, "not_finite": {"m.a.auc": "undefined"}}, "m", "a.auc") == "undefined"
    assert figure(trial, "objective", "value") == "-"
    assert figure({}, "objective", "value") == "-"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (-3, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (3661, "1 h 1 min"), (200_000, "2 d 7 h")],
)
def test_a_duration_has_its_two_greatest_units(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (1.0, "1"), (0.000123456, "0.0001235"), (1e9, "1e+09"), (float("nan"), "nan")]
)
def test_numbers_have_four_digits(value, text):
    assert number(value) == text


def test_a_reason_says_where():
    assert because({"code": "raised", "message": "no", "at": "ads.py:12"}) == "no (at ads.py:12)"
    assert because(None) == ""


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({}, 0.0),
        ({"counts": {"COMPLETE": 5}}, 0.5),
        ({"counts": {"RUNNING": 8}, "progress": {"epochs": 70}}, 0.7),
        ({"progress": {"epochs": 100}}, 0.99),
        ({"counts": {"COMPLETE": 12}}, 1.0),
        ({"progress": {"planned": 0, "epochs_planned": 0}}, 0.0),
    ],
)
def test_the_bar_follows_trials_and_within_a_cohort_epochs(changes, share):
    assert share_done(study(**changes)) == pytest.approx(share)


def test_the_users_text_cannot_steer_the_terminal():
    assert plain("a\x1b[2Jb\rc") == "a�[2Jb�c"


def test_a_terminal_gets_a_bar_that_moves():
    console = screen()
    with StudyProgress(console) as bar:
        bar.seen(study())
        bar.seen(study(counts={"COMPLETE": 5}, best=BEST))
        bar.seen(study(state="COMPLETE", ended=True, counts={"COMPLETE": 10}, best=BEST))
    assert "━━━━━━━━━━━━━━━━ 10/10 trials, COMPLETE, best 0.9571 (trial 7)" in text_of(console)


def test_square_brackets_of_the_user_are_no_markup():
    console = screen()
    with StudyProgress(console) as bar:
        bar.seen(study(reason={"code": "x", "message": "[red]no[/red]", "at": None}))
    assert "[red]no[/red]" in text_of(console)


def test_a_log_gets_a_line_at_each_change_of_state_and_not_for_every_epoch():
    console = screen(terminal=False)
    with ProgressLines(console) as lines:
        lines.seen(study(state="QUEUED"))
        for epochs in range(5):
            lines.seen(study(progress={"epochs": epochs}))
        lines.seen(study(state="COMPLETE", ended=True, counts={"COMPLETE": 10}))
    assert text_of(console).splitlines() == [
        "s: 0/10 trials, QUEUED, being prepared",
        "s: 0/10 trials",
        "s: 10/10 trials, COMPLETE",
    ]


def test_a_log_of_a_large_study_stays_short():
    console = screen(terminal=False)
    with ProgressLines(console) as lines:
        for ended in range(1001):
            lines.seen(study(counts={"COMPLETE": ended}, progress={"planned": 1000}))
    assert len(text_of(console).splitlines()) == 21


def test_a_log_may_be_asked_to_be_shorter():
    console = screen(terminal=False)
    with shown_on(console, lines=4) as lines:
        for ended in range(101):
            lines.seen(study(counts={"COMPLETE": ended}, progress={"planned": 100}))
    assert len(text_of(console).splitlines()) == 5


def test_what_is_shown_suits_the_console():
    assert isinstance(shown_on(screen(terminal=True)), StudyProgress)
    assert isinstance(shown_on(screen(terminal=False)), ProgressLines)


def test_a_notebook_gets_a_bar(monkeypatch):
    monkeypatch.setattr("steelyard.progress.Console", lambda stderr: Console(force_jupyter=True))
    assert StudyProgress.for_people() is not None


def test_nobody_gets_no_bar():
    assert StudyProgress.for_people() is None
