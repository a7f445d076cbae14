"""What a worker claims, with a real database."""

from __future__ import annotations

import importlib.util

import pytest

from search import normal, sampling, space
from search.claim import PREFLIGHT, Claimant, claim
from storage import studies
from storage.database import Database
from storage.records import StudyState
from tests.search.definitions import define, log_range, study
from tests.storage import scenes
from tests.storage.scenes import NOW


def submitted(database: Database, sampler: str) -> None:
    definition = define({**study(log_range(current=1), sampler={"name": sampler}), "name": "study"})
    new = scenes.new_study(
        definition=normal.stored(definition),
        workload=definition.workload.name,
        trial_budget=space.trial_budget(definition),
        terms=normal.term_records(definition),
    )
    with database.writing() as session:
        studies.create_study(session, new, NOW)


def claimant(database: Database) -> Claimant:
    with database.writing() as session:
        worker = scenes.register(session, workloads=["ads"])
    return Claimant(worker, "worker", ["ads"], 45)


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(sampling.importlib.util, "find_spec", lambda name: None if name == "torch" else found(name))


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize("prepared", [False, True])
def test_a_study_whose_sampler_is_not_installed_fails_at_its_first_claim(database: Database, prepared: bool) -> None:
    submitted(database, "gp")
    if prepared:
        with database.writing() as session:
            scenes.prepare(session, studies.get_study(session, "study"))
    assert claim(database, claimant(database)) is None
    with database.reading() as session:
        found = studies.get_study(session, "study")
    assert (found.state, found.reason and found.reason.code) == (StudyState.FAILED, "sampler_unavailable")


@pytest.mark.usefixtures("without_torch")
def test_a_study_of_another_sampler_is_claimed_for_its_preflight(database: Database) -> None:
    submitted(database, "cmaes")
    claimed = claim(database, claimant(database))
    assert claimed is not None
    assert claimed.lease.purpose == PREFLIGHT
