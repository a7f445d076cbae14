"""Studies are created once, found, listed, claimed in turn, and prepared."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from storage import leases, lifecycle, studies, study_rows, trial_rows
from storage.database import Database
from storage.errors import BadPageToken, StudyExists, StudyNotFound, WrongState
from storage.records import Reason, StudyState, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW, later


def test_a_created_study_comes_back_as_it_was_sent(database: Database) -> None:
    new = scenes.new_study(
        definition={"tasks": [{"name": "z"}, {"name": "a"}], "objective": {"epoch": "best"}},
        description="two\nlines",
        labels={"team": "zięby"},
        warnings=("careful",),
        trial_budget=7,
    )
    with database.writing() as session:
        created = studies.create_study(session, new, NOW)
    with database.reading() as session:
        found = study_rows.get_study(session, "study")
        terms = study_rows.terms_of(session, found.id)
    assert found == created
    assert (found.definition, found.labels, found.warnings) == (new.definition, new.labels, new.warnings)
    assert (found.state, found.prepared, found.trial_budget, found.created_at) == (StudyState.QUEUED, False, 7, NOW)
    assert terms == new.terms


def test_a_definition_keeps_the_order_of_its_fields(database: Database) -> None:
    with database.writing() as session:
        scenes.create(session, definition={"z": 1, "a": {"y": 1, "b": 2}})
    with database.reading() as session:
        definition = study_rows.get_study(session, "study").definition
    assert (list(definition), list(definition["a"])) == (["z", "a"], ["y", "b"])


def test_a_taken_name_is_refused_and_the_transaction_goes_on(database: Database) -> None:
    with database.writing() as session:
        scenes.create(session)
        with pytest.raises(StudyExists, match="'study'"):
            scenes.create(session)
        scenes.create(session, "other")
    with database.reading() as session:
        assert study_rows.find_study(session, "other") is not None


def test_of_eight_that_create_a_name_at_once_one_does(database: Database) -> None:
    together = Barrier(8)

    def create(_: int) -> bool:
        together.wait()
        try:
            with database.writing() as session:
                scenes.create(session)
        except StudyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(create, range(8))) == [False] * 7 + [True]


@pytest.mark.parametrize("name", ["nobody", "nul\x00", "half\ud800"])
def test_an_unknown_name_is_not_found(database: Database, name: str) -> None:
    with database.writing() as session:
        assert study_rows.find_study(session, name) is None
        with pytest.raises(StudyNotFound):
            study_rows.get_study(session, name)
        with pytest.raises(StudyNotFound):
            lifecycle.stop(session, name, NOW)


def test_an_unknown_id_is_not_found(database: Database) -> None:
    with database.writing() as session:
        with pytest.raises(StudyNotFound):
            study_rows.get_study_by_id(session, 404)
        with pytest.raises(StudyNotFound):
            study_rows.lock_study(session, 404)


def test_studies_are_listed_newest_first_page_by_page(database: Database) -> None:
    with database.writing() as session:
        for name in "abcde":
            scenes.create(session, name)
    with database.reading() as session:
        first, after = studies.list_studies(session, page_size=2)
        second, after = studies.list_studies(session, page_size=2, after=after)
        third, end = studies.list_studies(session, page_size=2, after=after)
    assert ["".join(study.name for study in page) for page in (first, second, third)] == ["ed", "cb", "a"]
    assert end is None


def test_a_page_that_is_just_full_is_the_last(database: Database) -> None:
    with database.writing() as session:
        scenes.create(session, "a")
        scenes.create(session, "b")
    with database.reading() as session:
        assert studies.list_studies(session, page_size=2)[1] is None


def test_studies_are_listed_by_state(database: Database) -> None:
    with database.writing() as session:
        scenes.create(session, "queued")
        scenes.prepare(session, scenes.create(session, "running"))
    with database.reading() as session:
        listed, _ = studies.list_studies(session, page_size=9, state=StudyState.RUNNING)
    assert [study.name for study in listed] == ["running"]


@pytest.mark.parametrize("after", [0, -1, 2**63])
def test_a_place_that_is_no_id_is_refused(database: Database, after: int) -> None:
    with database.reading() as session, pytest.raises(BadPageToken):
        studies.list_studies(session, page_size=2, after=after)


def test_an_id_never_comes_back(database: Database) -> None:
    with database.writing() as session:
        first = scenes.create(session, "first")
        lifecycle.cancel(session, "first", NOW)
        lifecycle.delete_study(session, "first", NOW)
        second = scenes.create(session, "first")
    assert second.id > first.id


def test_the_oldest_study_is_next(database: Database) -> None:
    with database.writing() as session:
        scenes.create(session, "old")
        scenes.create(session, "new")
        found = studies.lock_next_study(session, ["digits"])
    assert found is not None
    assert found.name == "old"


def test_a_study_with_fewer_leases_comes_first(database: Database) -> None:
    with database.writing() as session:
        old = scenes.prepare(session, scenes.create(session, "old"))
        scenes.prepare(session, scenes.create(session, "new"))
        leases.acquire(session, old.id, scenes.register(session), leases.COHORT, 60, NOW)
        found = studies.lock_next_study(session, ["digits"])
    assert found is not None
    assert found.name == "new"


def test_a_skipped_study_is_passed_over(database: Database) -> None:
    with database.writing() as session:
        old = scenes.create(session, "old")
        scenes.create(session, "new")
        found = studies.lock_next_study(session, ["digits"], skip=[old.id])
    assert found is not None
    assert found.name == "new"


@pytest.mark.parametrize("workloads", [[], ["ads"]])
def test_a_worker_is_not_given_another_workload(database: Database, workloads: list[str]) -> None:
    with database.writing() as session:
        scenes.create(session)
        assert studies.lock_next_study(session, workloads) is None


@pytest.mark.parametrize("verb", [lifecycle.pause, lifecycle.stop, lifecycle.cancel])
def test_a_study_that_is_not_to_run_is_not_next(database: Database, verb: studies.Verb) -> None:
    with database.writing() as session:
        scenes.create(session)
        verb(session, "study", NOW)
        assert studies.lock_next_study(session, ["digits"]) is None


def test_a_study_in_preflight_is_not_next(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        leases.acquire(session, study.id, scenes.register(session), leases.PREFLIGHT, 60, NOW)
        assert studies.lock_next_study(session, ["digits"]) is None


def test_eight_workers_racing_for_a_preflight_get_it_once(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        worker = scenes.register(session)
    together = Barrier(8)

    def claim(_: int) -> int:
        together.wait()
        with database.writing() as session:
            found = studies.lock_next_study(session, ["digits"])
            if found is None:
                return 0
            leases.acquire(session, found.id, worker, leases.PREFLIGHT, 60, NOW)
            return 1

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(claim, range(8))) == 1
    with database.reading() as session:
        assert [lease.study_id for lease in leases.leases_of_worker(session, worker)] == [study.id]


def test_a_prepared_study_runs(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session, warnings=("first",))
        prepared = studies.prepared(session, study.id, cohort_size=16, engine="stacked", warnings=["second", "first"], now=later(1))
    assert (prepared.state, prepared.prepared, prepared.started_at) == (StudyState.RUNNING, True, later(1))
    assert (prepared.cohort_size, prepared.engine, prepared.warnings) == (16, "stacked", ("first", "second"))


def test_what_a_preflight_settles_is_warned_of_no_longer(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session, warnings=("unknown", "first"))
        given = {"cohort_size": 16, "engine": "stacked", "warnings": ["second"], "now": later(1)}
        assert studies.prepared(session, study.id, **given, settled=["unknown"]).warnings == ("first", "second")


def test_the_first_preflight_decides(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        again = studies.prepared(session, study.id, cohort_size=2, engine="serial", warnings=(), now=later(1))
    assert again == study


def test_a_study_paused_in_its_preflight_stays_paused_and_resumes_to_run(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        lifecycle.pause(session, "study", NOW)
        assert scenes.prepare(session, study).state is StudyState.PAUSED
        assert lifecycle.resume(session, "study", NOW).state is StudyState.RUNNING


def test_a_stopped_study_is_not_prepared(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        lifecycle.stop(session, "study", NOW)
        with pytest.raises(WrongState, match="STOPPED"):
            scenes.prepare(session, study)


def test_an_ended_study_tells_why_and_cancels_what_waits(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 2)
        ended = studies.end_study(session, study.id, StudyState.FAILED, Reason("shapes", "no", "tasks[0]"), later(5))
        waiting = trial_rows.waiting_trials(session, study.id)
        cancelled = trial_rows.trials_of(session, study.id, states=[TrialState.CANCELLED])
    assert (ended.state, ended.reason, ended.ended_at) == (StudyState.FAILED, Reason("shapes", "no", "tasks[0]"), later(5))
    assert (len(waiting), len(cancelled)) == (0, 2)


def test_an_end_stays_whatever_comes_after(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        cancelled = lifecycle.cancel(session, "study", NOW)
        assert studies.end_study(session, study.id, StudyState.COMPLETE, None, later(9)) == cancelled


def test_a_study_says_what_it_waits_for(database: Database) -> None:
    nobody = Reason("no_worker", "no live worker has workload 'ads'")
    with database.writing() as session:
        study = scenes.create(session)
        studies.note_waiting(session, study.id, nobody)
        waits = study_rows.get_study(session, "study").reason
        studies.note_waiting(session, study.id, None)
        assert (waits, study_rows.get_study(session, "study").reason) == (nobody, None)


def test_waiting_does_not_touch_the_reason_of_an_end(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        ended = studies.end_study(session, study.id, StudyState.FAILED, Reason("shapes", "no"), NOW)
        studies.note_waiting(session, study.id, None)
        assert study_rows.get_study(session, "study") == ended


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ALPHA", ["alpha"]),
        ("mask", ["beta"]),
        ("grün", ["gamma"]),
        ("100%", ["gamma"]),
        ("a%a", []),
        ("", ["gamma", "beta", "alpha"]),
    ],
)
def test_studies_are_found_by_a_text_in_name_workload_or_labels(database: Database, search: str, found: list[str]) -> None:
    with database.writing() as session:
        scenes.create(session, "alpha")
        scenes.create(session, "beta", workload="digits-mask")
        scenes.create(session, "gamma", labels={"farbe": "grün", "share": "100%"})
        listed, _ = studies.list_studies(session, page_size=9, search=search)
    assert [study.name for study in listed] == found


@pytest.mark.parametrize(("order", "names"), [("name", ["a", "b", "c"]), ("-name", ["c", "b", "a"]), ("created", ["b", "c", "a"])])
def test_studies_are_paged_in_any_order(database: Database, order: str, names: list[str]) -> None:
    with database.writing() as session:
        for name in ("b", "c", "a"):
            scenes.create(session, name)
        first, after = studies.list_studies(session, page_size=2, order_by=order)
        second, end = studies.list_studies(session, page_size=2, order_by=order, after=after)
    assert [study.name for study in (*first, *second)] == names
    assert end is None


def test_studies_with_the_same_time_of_change_are_each_listed_once(database: Database) -> None:
    with database.writing() as session:
        for name in ("b", "c", "a"):
            scenes.create(session, name)
        first, after = studies.list_studies(session, page_size=2, order_by="-updated")
        second, _ = studies.list_studies(session, page_size=2, order_by="-updated", after=after)
    assert [study.name for study in (*first, *second)] == ["a", "c", "b"]
