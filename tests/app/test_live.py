"""What runs now, and streams of events, over HTTP."""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.stream import most_watchers
from storage.models import TRIAL_SEEDS, TRIALS
from storage.records import StudyState
from tests.app.scenes import NAME, Bench, on_sqlite, problem

EVENTS, COHORTS = f"/v1/studies/{NAME}/events", f"/v1/studies/{NAME}/cohorts"


def events(text: str) -> list[dict[str, Any]]:
    """Return the events of a stream that has ended, as a browser reads them."""
    found = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append({"id": int(fields["id"]), "event": fields["event"], "data": json.loads(fields["data"])})
    return found


def read(bench: Bench, headers: dict[str, str] | None = None, **query: Any) -> list[dict[str, Any]]:
    response = bench.client.get(EVENTS, params={"follow": False, **query}, headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream")
    return events(response.text)


def test_the_latest_events_are_streamed_with_id_kind_body_and_time(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    *_, started, ended = read(bench, last=3)
    assert (started["event"], started["data"]["state"], started["data"]["number"]) == ("trial.state", "RUNNING", 0)
    assert (ended["event"], ended["data"]["state"]) == ("trial.state", "COMPLETE")
    assert ended["data"]["at"].endswith("+00:00")
    assert ended["id"] > started["id"]


def test_a_stream_goes_on_after_the_last_event_that_was_seen(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5, 0.75])
    known = read(bench, last=100)
    assert known[0]["event"] == "study.created"
    assert read(bench, {"Last-Event-ID": str(known[2]["id"])}) == known[3:]
    assert read(bench, {"Last-Event-ID": str(known[-1]["id"])}) == []


@on_sqlite
@pytest.mark.parametrize("sent", ["", "x", "-1", "9" * 30])
def test_a_last_id_that_is_none_of_ours_begins_with_what_is_new(bench: Bench, sent: str) -> None:
    bench.submit()
    assert read(bench, {"Last-Event-ID": sent}) == []


def test_a_stream_of_no_study_is_404_before_it_begins(bench: Bench) -> None:
    problem(bench.client.get(EVENTS), 404, "study-not-found")


@on_sqlite
def test_a_stream_too_many_is_503_before_it_begins(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.submit()
    monkeypatch.setattr("app.stream.resource.getrlimit", lambda kind: (0, 0))
    for path in (EVENTS, "/v1/events"):
        refused = bench.client.get(path)
        problem(refused, 503, "too-many-streams")
        assert refused.headers["retry-after"]


@pytest.mark.parametrize(("limit", "most"), [(1024, 512), (resource.RLIM_INFINITY, sys.maxsize)])
def test_half_of_the_descriptors_may_be_streams(monkeypatch: pytest.MonkeyPatch, limit: int, most: int) -> None:
    monkeypatch.setattr("app.stream.resource.getrlimit", lambda kind: (limit, limit))
    assert most_watchers() == most


def test_a_cohort_in_training_tells_worker_engine_trials_and_lease(bench: Bench) -> None:
    bench.submit()
    bench.plan(2)
    token = bench.start()
    bench.report(token, [0, 1], last=1)
    (cohort,) = bench.get(COHORTS)["cohorts"]
    assert (cohort["worker"], cohort["engine"], cohort["purpose"]) == ("w1", "serial", "cohort")
    assert [(trial["number"], trial["epochs"]) for trial in cohort["trials"]] == [(0, 1), (1, 1)]
    planned = bench.get(f"/v1/studies/{NAME}")["definition"]["training"]["epochs"]
    assert cohort["epochs_planned"] == planned
    assert cohort["seconds_left"] == pytest.approx(2 * (planned - 1) * 1.0)  # a second an epoch so far: 0.5 for each of 0 and 1
    assert cohort["lease_age_seconds"] >= 0


def test_the_time_left_of_a_cohort_on_several_seeds_is_that_of_all_its_trainings(bench: Bench) -> None:
    bench.submit(training={"epochs": 10}, search={"trials": 4, "seeds": 2, "baselines": []})
    bench.plan(2)
    bench.start()
    with bench.database.writing() as session:
        # Each has trained 4 epochs on both seeds. One was pruned under the second, after 10 epochs under the first.
        session.execute(update(TRIALS).where(TRIALS.c.number == 0).values(epochs=4, seconds=8.0))
        session.execute(update(TRIALS).where(TRIALS.c.number == 1).values(epochs=4, seconds=14.0, state="PRUNED"))
        ids = session.scalars(select(TRIALS.c.id)).all()
        session.execute(
            insert(TRIAL_SEEDS), [{"trial_id": each, "position": seed, "seed": seed} for each in ids for seed in (0, 1)]
        )
    (cohort,) = bench.get(COHORTS)["cohorts"]
    assert [trial["number"] for trial in cohort["trials"]] == [0]
    assert cohort["seconds_left"] == pytest.approx(6 * 2 * 1.0)


def test_what_has_been_trained_is_told_when_nothing_runs(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    bench.ended(StudyState.COMPLETE)
    found = bench.get(COHORTS)
    assert (found["cohorts"], found["state"]) == ([], "COMPLETE")
    assert found["trained_seconds"] > 0


def test_studies_are_listed_by_text_and_order(bench: Bench) -> None:
    bench.submit(name="beta", labels={"team": "ads"})
    bench.submit(name="alpha")
    assert [study["name"] for study in bench.get("/v1/studies", order_by="name")["studies"]] == ["alpha", "beta"]
    assert [study["name"] for study in bench.get("/v1/studies", search="ADS")["studies"]] == ["beta"]


@on_sqlite
def test_a_page_token_is_of_one_order_alone(bench: Bench) -> None:
    for name in ("a", "b", "c"):
        bench.submit(name=name)
    token = bench.get("/v1/studies", page_size=2, order_by="name")["next_page_token"]
    problem(bench.client.get("/v1/studies", params={"page_size": 2, "page_token": token}), 400, "bad-page-token")
