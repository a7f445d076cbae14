"""Problems become the errors that the docstring draws."""

from __future__ import annotations

import inspect

import pytest

import steelyard
from steelyard import errors
from tests.steelyard.fakes import Script, client_of, ok, problem


@pytest.mark.parametrize(
    ("status", "slug", "kind"),
    [
        (422, "definition-refused", steelyard.DefinitionRefused),
        (422, "study-refused", steelyard.DefinitionRefused),
        (422, "bad-parameter", steelyard.BadRequest),
        (400, "bad-page-token", steelyard.BadRequest),
        (405, "method-not-allowed", steelyard.BadRequest),
        (404, "not-yet", steelyard.NotYet),
        (404, "study-not-found", steelyard.NotFound),
        (409, "wrong-state", steelyard.Conflict),
        (409, "other-definition", steelyard.DefinitionChanged),
        (409, "no-trial", steelyard.NoTrial),
        (409, "no-trial-yet", steelyard.NoTrialYet),
        (409, "no-feasible-trial", steelyard.NoFeasibleTrial),
        (409, "several-best", steelyard.SeveralBest),
        (409, "no-sensitivity", steelyard.NoSensitivity),
        (409, "no-sensitivity-yet", steelyard.NoSensitivityYet),
        (413, "body-too-large", steelyard.TooLarge),
        (500, "internal-error", steelyard.ServiceFailed),
        (507, "storage-full", steelyard.ServiceFailed),
    ],
)
def test_each_problem_has_its_error(status, slug, kind):
    with pytest.raises(steelyard.ProblemError) as caught:
        client_of(Script([problem(status, slug, "because")])).get("s")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.kind, str(caught.value)) == (status, slug, "because")


def test_faults_say_what_where_and_what_was_meant():
    fault = {"path": "tasks.0.losses.0.loss", "expected": "a loss", "got": "'mse2'", "did_you_mean": "mse"}
    with pytest.raises(steelyard.DefinitionRefused) as caught:
        client_of(Script([problem(422, "definition-refused", errors=[fault])])).validate({})
    assert [str(each) for each in caught.value.errors] == [
        "tasks.0.losses.0.loss: expected a loss, got 'mse2' (did you mean 'mse'?)"
    ]


def test_a_best_that_is_not_there_yet_says_when_to_ask_again():
    with pytest.raises(steelyard.NoTrialYet) as caught:
        client_of(Script([problem(409, "no-trial-yet", headers={"retry-after": "5"})])).best("s")
    assert caught.value.retry_after_seconds == 5


def test_the_closest_infeasible_trial_is_named():
    with pytest.raises(steelyard.NoFeasibleTrial) as caught:
        client_of(Script([problem(409, "no-feasible-trial", closest={"trial": 3})])).best("s")
    assert caught.value.closest == {"trial": 3}


def test_another_definition_says_where_it_differs():
    changed = [{"path": "search.seed", "stored": 0, "sent": 1}]
    with pytest.raises(steelyard.DefinitionChanged) as caught:
        client_of(Script([problem(409, "other-definition", changed=changed)])).submit({"name": "s"})
    assert caught.value.changed == changed


def test_a_wait_that_is_too_long_is_a_time_out_of_python_too():
    assert issubclass(steelyard.WaitTimeout, TimeoutError)


def test_the_tree_in_the_docstring_has_every_error_and_the_package_shows_them():
    kinds = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)}
    assert errors.__doc__ is not None
    assert all(name in errors.__doc__ for name in kinds)
    assert kinds <= set(steelyard.__all__)
    assert all(getattr(steelyard, name) is getattr(errors, name) for name in kinds)


def test_a_winner_whose_workload_nobody_published_is_no_script():
    best = {"workload": {"name": "mine", "options": {}, "place": None}}
    with pytest.raises(steelyard.NoScript, match="no worker has published where the workload 'mine' is"):
        client_of(Script([ok(best)])).script("s")
