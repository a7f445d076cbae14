"""Studies with a front in place of one best trial, as the client and a terminal show them."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from steelyard.cli.main import app
from steelyard.errors import SeveralBest
from storage.records import StudyState
from tests.steelyard.filled import filled_front
from tests.steelyard.terminal import typed

TRADE = [(0.5, 0.5), (0.9, 0.1), (0.8, 0.8), (0.1, 0.9)]
"""The first is beaten; the third is the knee."""


def test_the_client_says_what_may_be_picked(service, client, name):
    filled_front(service, client, name, TRADE)
    with pytest.raises(SeveralBest) as refused:
        client.best(name)
    assert refused.value.picks["knee"] == 2
    assert client.best(name, pick="knee")["trial"] == 2


def test_best_says_in_one_sentence_which_picks_there_are(service, client, name):
    filled_front(service, client, name, TRADE)
    result = CliRunner().invoke(app, ["best", name])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "say by pick which is wanted: knee (trial 2), nearest_ideal (trial 2), metric:" in result.stderr


def test_a_pick_is_shown_as_one_and_not_as_the_best(service, client, name):
    filled_front(service, client, name, TRADE, StudyState.COMPLETE)
    seen = typed("best", name, "--pick", "knee")
    assert seen.code == 0
    assert "Trial 2 is what knee picks, on one seed; what it is worth on others is not known." in " ".join(seen.text.split())


def test_watch_ends_with_the_front(service, client, name):
    filled_front(service, client, name, TRADE, StudyState.COMPLETE)
    seen = typed("watch", name)
    assert seen.code == 0
    rows = [row for line in seen.lines if (row := line.split())[1:2] == ["search"]]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert "knee," in rows[1]
    assert any(line.startswith("3 trials that no other beats in every metric; hypervolume 0.") for line in seen.lines)
    assert f"steelyard best {name} --pick knee --output best-weights.json" in " ".join(seen.text.split())


def test_a_front_without_a_complete_trial_says_so(service, client, name):
    filled_front(service, client, name, [], StudyState.STOPPED)
    seen = typed("watch", name)
    assert f"{name} ended STOPPED without a complete trial" in seen.text


@pytest.mark.parametrize("command", ["show", "list", "trials", "logs", "pareto"])
def test_every_looking_command_takes_a_study_without_a_best_trial(service, client, name, command):
    filled_front(service, client, name, TRADE)
    seen = typed(command, *([] if command == "list" else [name]))
    assert seen.code == 0
    if command == "show":
        assert f"a front: steelyard pareto {name}" in seen.text
    if command == "logs":
        assert "trial 2 (search) COMPLETE" in seen.text
        assert "worth" not in seen.text
