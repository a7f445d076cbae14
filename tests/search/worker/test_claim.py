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
from storage import derived, leases, lifecycle, outcomes, studies, study_rows, trial_rows, trials, workers, workloads
from storage.database import Database
from storage.models import STUDIES
from storage.records import Outcome, PlannedTrial, Role, StudyRecord, StudyState, TrialState
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


def test_a_study_whose_workload_one_worker_could_not_describe_is_prepared_by_another_that_has_it(database: Database) -> None:
    submitted(database, "random")
    worker = replace(claimant(database), failed={"ads"})
    with database.writing() as session:
        other = scenes.register(session, workloads=["ads"])
        workers.heartbeat(session, other, "idle", database.now(session))
        workloads.publish_workload(session, "ads", "m1", {}, NOW, "v1")
        workloads.set_worker_versions(session, other, [("ads", "v1")])
    assert claim(database, worker) is None
    with database.writing() as session:
        workers.deregister(session, other, NOW)
    assert isinstance(claim(database, worker), Claim)


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


def test_finalists_are_chosen_without_a_lease_and_once_for_a_search(database: Database) -> None:
    submitted(database, "random", baselines=[], confirmation={"top": 2, "seeds": 2}, trials=12)
    trained(database, 12)
    worker = claimant(database)
    wanted = claim(database, worker)
    assert isinstance(wanted, Analysis)
    assert wanted.kind == "finalists"
    work_out(database, wanted)
    found = claim(database, worker)
    assert isinstance(found, Claim)
    assert {trial.role for trial in found.trials} == {Role.CONFIRMATION}


def test_finalists_are_the_best_of_the_search_where_the_model_fails(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: object) -> object:
        raise ArithmeticError("no model")

    submitted(database, "random", baselines=[], confirmation={"top": 2, "seeds": 2}, trials=12)
    trained(database, 12)
    worker = claimant(database)
    wanted = claim(database, worker)
    assert isinstance(wanted, Analysis)
    monkeypatch.setattr("search.worker.analyses.choose_finalists", fails)
    assert work_out(database, wanted)
    found = claim(database, worker)
    assert isinstance(found, Claim)
    assert {trial.role for trial in found.trials} == {Role.CONFIRMATION}


def test_a_claim_writes_no_confirmation_that_is_as_it_was(database: Database) -> None:
    submitted(database, "random", baselines=[], confirmation={"top": 2, "seeds": 2}, trials=12)
    trained(database, 12)
    worker, kept = claimant(database), []
    for _ in range(3):
        found = claim(database, worker)
        if isinstance(found, Analysis):
            work_out(database, found)
        with database.reading() as session:
            kept.append(derived.find_analysis(session, study_rows.get_study(session, "study").id, "confirmation"))
    assert kept[0] is None
    assert kept[1] is not None
    assert kept[2] == kept[1]


def _with_version(database: Database, claimed: Claimant, version: str) -> Claimant:
    """Return a claimant that has one version of the workload, and have its row say so."""
    with database.writing() as session:
        workloads.set_worker_versions(session, claimed.worker_id, [("ads", version)])
    return replace(claimed, versions={"ads": version}, kept={("ads", version)})


def _prepared_with(database: Database, version: str) -> None:
    with database.writing() as session:
        found = study_rows.get_study(session, "study")
        studies.prepared(session, found.id, cohort_size=2, engine="serial", warnings=(), now=NOW, workload_version=version)


def _study(database: Database) -> StudyRecord:
    with database.reading() as session:
        return study_rows.get_study(session, "study")


def test_a_study_is_prepared_with_the_version_that_the_worker_has_now(database: Database) -> None:
    submitted(database, "random")
    found = claim(database, _with_version(database, claimant(database), "v1"))
    assert isinstance(found, Claim)
    assert found.workload_version == "v1"


def test_a_trial_is_trained_with_the_studys_version_and_says_so(database: Database) -> None:
    submitted(database, "random")
    _prepared_with(database, "v1")
    mine = _with_version(database, claimant(database), "v1")
    found = claim(database, replace(mine, versions={"ads": "v2"}, kept={("ads", "v1"), ("ads", "v2")}))
    assert isinstance(found, Claim)
    assert found.workload_version == "v1"
    with database.reading() as session:
        assert {trial.workload_version for trial in trial_rows.unfinished_trials(session, found.study.id)} == {"v1"}


def test_a_study_whose_version_no_live_worker_has_pauses_with_a_sentence_and_goes_on_with_the_file(database: Database) -> None:
    submitted(database, "random")
    _prepared_with(database, "version-1")
    mine = _with_version(database, claimant(database), "v2")
    assert claim(database, mine) is None
    paused = _study(database)
    assert paused.state is StudyState.PAUSED
    assert paused.reason is not None
    assert paused.reason.code == "workload_changed"
    assert "the files of workload 'ads' have changed since the study was prepared (version version-)" in paused.reason.message
    with database.writing() as session:
        lifecycle.resume(session, "study", NOW)
    assert isinstance(claim(database, _with_version(database, mine, "version-1")), Claim)


def test_a_study_is_left_to_the_worker_that_has_its_version(database: Database) -> None:
    submitted(database, "random")
    _prepared_with(database, "v1")
    with database.writing() as session:
        other = workers.register(session, name="o", host="h", pid=1, version="1", workloads=["ads"], now=database.now(session))
        workloads.set_worker_versions(session, other.id, [("ads", "v1")])
    assert claim(database, _with_version(database, claimant(database), "v2")) is None
    assert _study(database).state is StudyState.RUNNING


def test_an_analysis_is_one_workers_until_it_takes_too_long(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(database, "random", baselines=[], confirmation=None, trials=12)
    trained(database, 12)
    mine, other = claimant(database), claimant(database)
    assert isinstance(claim(database, mine), Analysis)
    assert claim(database, other) is None
    assert isinstance(claim(database, mine), Analysis)  # a failure is tried again by the same worker
    monkeypatch.setattr(analysis_claims, "CLAIM_SECONDS", 0.0)
    assert isinstance(claim(database, other), Analysis)
