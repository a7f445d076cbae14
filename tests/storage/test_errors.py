"""Errors say what they are about."""

from __future__ import annotations

import pytest

from storage import errors
from storage.records import StudyState

MESSAGES = [
    (errors.StudyNotFound("digits"), "there is no study 'digits'"),
    (errors.TrialNotFound("digits", 7), "study 'digits' has no trial 7"),
    (errors.TermNotFound("digits", "a.b"), "study 'digits' measures no 'a.b'"),
    (errors.WorkerNotFound(3), "there is no worker 3"),
    (errors.StudyExists("digits"), "there is a study 'digits' already"),
    (
        errors.WrongState("digits", StudyState.COMPLETE, "pause", [StudyState.QUEUED, StudyState.RUNNING]),
        "study 'digits' is COMPLETE: cannot pause (possible when QUEUED, RUNNING)",
    ),
    (errors.BudgetTooSmall("digits", 2, 9), "study 'digits' cannot have 2 trials: at least 9, since so many have been planned"),
    (errors.TrialsTaken("digits", [3, 4]), "study 'digits': trials 3, 4 are not waiting"),
    (errors.LeaseLost(12), "lease 12 is lost"),
    (errors.BadPageToken("x"), "this page token is not one of this list; begin again without one"),
    (errors.StorageBusy(), "the database is busy: somebody else has been writing for too long"),
    (errors.StorageUnavailable(), "the database cannot be reached"),
    (errors.StorageFull(), "the database's disk is full"),
    (
        errors.SchemaOutdated(None, "0001"),
        "the database's schema is empty, this program needs 0001: run `steelyard migrate`",
    ),
    (
        errors.SchemaTooNew("0002", "0001"),
        "the database's schema is 0002, this program only knows up to 0001: upgrade the program",
    ),
]


@pytest.mark.parametrize(("error", "message"), MESSAGES)
def test_an_error_names_its_ids(error: errors.StorageError, message: str) -> None:
    assert str(error) == message


def test_every_error_is_reported_above() -> None:
    covered = {type(error) for error, _ in MESSAGES}
    tree = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.StorageError)}
    assert tree - covered == {errors.StorageError}
