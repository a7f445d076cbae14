"""What a worker claims, with a real database."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from search.catalog import SAMPLERS
from search.catalog.plugins import traits_of
from search.definition.space import SearchSpace
from search.sampling import suggest
from search.validation import normalize
from search.worker import analysis_claims
from search.worker.analyses import work_out
from search.worker.claim import Analysis, Claim, Claimant, claim
from storage import derived, leases, outcomes, studies, study_rows, trials
from storage.database import Database
from storage.models import STUDIES
from storage.records import Outcome, PlannedTrial, Role, StudyState, TrialState
from tests.search.definitions import define, log_range, study
from tests.storage import scenes
from tests.storage.scenes import NOW


def submitted(database: Database, sampler: str, **search: Any) -> None:
    current = {} if search else {"current": 1}
    definition = define({**study(log_range(**current), sampler={"name": sampler}, **search), "name": "study"})
    new = scenes.new_study(
        definition=normalize.to_storage(definition),
        workload=definition.workload.name,
        trial_budget=SearchSpace(definition).trial_budget(),
        terms=normalize.term_records(definition),
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
    monkeypatch.setattr(suggest.importlib.util, "find_spec", lambda name: None if name == "torch" else found(name))


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize("prepared", [False, True])
def test_a_study_whose_sampler_is_not_installed_fails_at_its_first_claim(database: Database, prepared: bool) -> None:
    submitted(database, "gp")
    if prepared:
        with database.writing() as session:
            scenes.prepare(session, study_rows.get_study(session, "study"))
    assert claim(database, claimant(database)) is None
    with database.reading() as session:
        found = study_rows.get_study(session, "study")
    assert (found.state, found.reason and found.reason.code) == (StudyState.FAILED, "sampler_unavailable")


def test_a_study_of_a_plug_in_is_left_to_workers_that_have_it(database: Database) -> None:
    submitted(database, "random")
    with database.writing() as session:
        document = study_rows.get_study(session, "study").definition
        sampler = {"name": "outside", "config": {}, "plugin": {**traits_of(SAMPLERS[1]), "name": "outside"}}
        changed = {**document, "search": {**document["search"], "sampler": sampler}}
        session.execute(update(STUDIES).values(definition=changed))
    worker = claimant(database)
    assert claim(database, worker, {("samplers", "another")}) is None
    found = claim(database, worker, {("samplers", "outside")})
    assert found is not None
    assert found.definition.search.sampler.name == "outside"


def trained(database: Database, count: int) -> None:
    """Train so many search trials of the study to COMPLETE; those with a weight below 1 are worse by ten."""
    with database.writing() as session:
        record = scenes.prepare(session, study_rows.get_study(session, "study"))
        planned = [
            PlannedTrial(Role.SEARCH, None, {"t0.error": 0.5 + i / 10}, {"t0.error": 0.5 + i / 10}, 0, "random")
            for i in range(count)
        ]
        trials.add_trials(session, study_rows.lock_study(session, record.id), planned, beside=(), now=NOW)
        lease = scenes.start(session, study_rows.lock_study(session, record.id))
        ends = [Outcome(i, TrialState.COMPLETE, 2, value=i - 10.0 * (i < 5), feasible=True) for i in range(count)]
        outcomes.record_outcomes(session, lease.token, ends, NOW)
        leases.complete(session, lease.token, NOW)


def test_a_study_that_comes_to_its_end_keeps_what_matters_in_it(database: Database) -> None:
    submitted(database, "random", baselines=[], confirmation=None, trials=12)
    trained(database, 12)
    worker = claimant(database)
    analysis = claim(database, worker)
    assert isinstance(analysis, Analysis)
    work_out(database, analysis)
    assert claim(database, worker) is None
    with database.reading() as session:
        found = study_rows.get_study(session, "study")
        kept = derived.find_analysis(session, found.id, "sensitivity")
    assert found.state is StudyState.COMPLETE
    assert kept is not None
    assert kept.sequence == found.sequence == 12
    assert kept.document["shares"]["objective"] == {"t0.error": 1.0}


@pytest.mark.usefixtures("without_torch")
def test_a_study_of_another_sampler_is_claimed_for_its_preflight(database: Database) -> None:
    submitted(database, "cmaes")
    claimed = claim(database, claimant(database))
    assert isinstance(claimed, Claim)
    assert claimed.lease.purpose == leases.PREFLIGHT


def test_a_search_that_may_stop_is_planned_once_its_gain_is_known(database: Database) -> None:
    submitted(database, "random", baselines=[], confirmation=None, trials=40, stop={"no_gain": 100.0})
    trained(database, 12)
    worker = claimant(database)
    wanted = claim(database, worker)
    assert isinstance(wanted, Analysis)
    assert wanted.kind == "gain"
    work_out(database, wanted)
    at_its_end = claim(database, worker)  # less than 100 times the noise is to be gained
    assert isinstance(at_its_end, Analysis)
    assert at_its_end.kind == "sensitivity"
    work_out(database, at_its_end)
    assert claim(database, worker) is None
    with database.reading() as session:
        found = study_rows.get_study(session, "study")
    assert (found.state, found.reason and found.reason.code) == (StudyState.COMPLETE, "stopped_no_gain")


def test_a_study_that_got_further_is_worked_out_anew(database: Database) -> None:
    submitted(database, "random", baselines=[], confirmation=None, trials=12)
    trained(database, 12)
    analysis = claim(database, claimant(database))
    assert isinstance(analysis, Analysis)
    work_out(database, replace(analysis, study=replace(analysis.study, sequence=11)))
    with database.reading() as session:
        assert derived.find_analysis(session, analysis.study.id, "sensitivity") is None


def test_an_analysis_is_one_workers_until_it_takes_too_long(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(database, "random", baselines=[], confirmation=None, trials=12)
    trained(database, 12)
    mine, other = claimant(database), claimant(database)
    assert isinstance(claim(database, mine), Analysis)
    assert claim(database, other) is None
    assert isinstance(claim(database, mine), Analysis)  # a failure is tried again by the same worker
    monkeypatch.setattr(analysis_claims, "CLAIM_SECONDS", 0.0)
    assert isinstance(claim(database, other), Analysis)
