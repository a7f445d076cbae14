"""Gather what is stored about studies into what goes out: within the caller's transaction, so that all of it is of one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.schemas.common import AnchorBody, NumberSplitter, reason_body
from app.schemas.studies import Best, BoundBody, ProgressBody, Study, Times
from app.schemas.trials import objective_body
from app.waiting import WorkerPlugins, reason_of
from search.analysis.answer import best_of_search
from search.analysis.story import in_percent
from search.definition.finite import affordable
from search.definition.schema import ObjectiveMetric, RelativeBound, StudyDefinition
from search.definition.space import SearchSpace
from search.export.best_weights import anchor_document
from search.objective.anchors import required_anchors, resolve_anchors
from search.objective.order import BEST_FIRST
from search.planning.phases import cost, trainings, trials
from search.validation import normalize
from search.validation.published import named_plugins
from storage import contenders, derived, progress, workers, workloads
from storage.database import Session
from storage.estimates import seconds_an_epoch
from storage.fleet_records import WorkerRecord
from storage.plugins import worker_plugins
from storage.records import STUDY_ENDS, AnchorRecord, StudyRecord, StudyState, Throughput, TrialRecord


@dataclass(frozen=True, slots=True)
class StoredProgress:
    """What is stored about one study beside its row. `trials` counts by state; `leader` is the best complete trial of the search,
    feasible or not."""

    trials: Mapping[str, int]
    epochs: int
    pace: Throughput
    anchors: Sequence[AnchorRecord]
    leader: TrialRecord | None


def definition_of(study: StudyRecord) -> StudyDefinition:
    """Return the study's definition as it was sent and normalised, with what has been changed since."""
    return normalize.from_storage(
        study.definition,
        trials=study.trial_budget,
        name=study.name,
        description=study.description,
        labels=study.labels,
        priority=study.priority,
    )


def study_body(session: Session, study: StudyRecord, now: datetime, alive_within_seconds: float) -> Study:
    """Return the body of one study."""
    return study_bodies(session, [study], now, alive_within_seconds)[0]


def seconds_in_all(session: Session, definition: StudyDefinition, problem: str, now: datetime, alive: float) -> float | None:
    """Estimate how long the whole plan takes from studies of the same problem, else of the same workload; None without any.

    `problem` is the problem's hash. The live workers of the workload are taken to be free for it.
    """
    name = definition.workload.name
    pace = seconds_an_epoch(session, problem, name)
    able = workers.live_workloads(session, now, alive).get(name, 0)
    return None if pace is None else pace * trainings(definition) * definition.training.epochs / max(able, 1)


def study_bodies(session: Session, found: Sequence[StudyRecord], now: datetime, alive_within_seconds: float) -> list[Study]:
    """Return the bodies of several studies, in as many statements as of one."""
    stored = _stored(session, [study.id for study in found])
    live = [worker for worker in workers.list_workers(session, now, alive_within_seconds) if worker.alive]
    outside = any(True for study in found for _ in named_plugins(study.definition))
    runs = worker_plugins(session, [worker.id for worker in live]) if outside else {}
    described = workloads.descriptions_of(session, {study.workload for study in found})
    own = {name: frozenset(description.get("metrics", ())) for name, description in described.items()}
    return [_body(study, stored[study.id], live, runs, own.get(study.workload, frozenset())) for study in found]


def _stored(session: Session, study_ids: Sequence[int]) -> Mapping[int, StoredProgress]:
    totals = progress.study_totals(session, study_ids)
    anchors = derived.anchors_of_studies(session, study_ids)
    leaders = contenders.leaders(session, study_ids, BEST_FIRST)
    return {
        each: StoredProgress(totals[each].trials, totals[each].epochs, totals[each].pace, anchors[each], leaders.get(each))
        for each in study_ids
    }


def _body(
    study: StudyRecord, stored: StoredProgress, live: Sequence[WorkerRecord], runs: WorkerPlugins, own_metrics: Collection[str]
) -> Study:
    definition, split = definition_of(study), NumberSplitter()
    anchors = stored.anchors if required_anchors(definition.objective) else ()
    preparing = any(worker.study == study.name for worker in live)
    reason = reason_of(study, stored.trials, preparing, live, runs)
    goes_on = reason is None or reason.code != "no_live_worker"
    return Study(
        name=study.name,
        state=study.state.value,
        ended=study.state in STUDY_ENDS,
        reason=reason_body(reason),
        warnings=list(study.warnings),
        definition=normalize.to_api(definition),
        definition_sha256=study.definition_sha256,
        problem_sha256=study.problem_sha256,
        workload_version=study.workload_version,
        cost=cost(definition),
        progress=_progress(study, definition, stored, goes_on),
        anchors=[AnchorBody(**anchor_document(anchor)) for anchor in anchors],
        bounds=[
            _bound(entry) for entry in resolve_anchors(definition.objective, anchors).metrics if entry.strategy == "constraint"
        ],
        in_percent=in_percent(definition, own_metrics),
        best=_best(stored.leader, split),
        times=Times(created_at=study.created_at, updated_at=study.updated_at, started_at=study.started_at, ended_at=study.ended_at),
        not_finite=split.not_finite,
    )


def _bound(entry: ObjectiveMetric) -> BoundBody:
    known = {name: bound for name in ("at_least", "at_most") if not isinstance(bound := getattr(entry, name), RelativeBound)}
    return BoundBody(metric=entry.metric, at_least=known.get("at_least"), at_most=known.get("at_most"))


def _progress(study: StudyRecord, definition: StudyDefinition, stored: StoredProgress, goes_on: bool) -> ProgressBody:
    # Before the end it is the most there can be; a plan that came to its end is known.
    there = sum(stored.trials.values())
    planned = there if study.state is StudyState.COMPLETE else max(sum(trials(definition).values()), there)
    return ProgressBody(
        trials=dict(stored.trials),
        planned=planned,
        epochs=stored.epochs,
        epochs_planned=planned * definition.training.epochs,
        seconds_left=0.0 if study.state in STUDY_ENDS else _seconds_left(definition, stored) if goes_on else None,
    )


def _seconds_left(definition: StudyDefinition, stored: StoredProgress) -> float | None:
    """Estimate: the epochs to go, at the seconds an epoch took so far, over the cohorts that train side by side.

    A trial that ended early (pruned, diverged, failed) counts as done, and search trials to come will train for as long as those
    did that have ended; on several seeds, the last one alone, since a trial is pruned only under that one.
    """
    pace = stored.pace
    if not pace.epochs:
        return None
    per_training = definition.training.epochs
    searches = max(affordable(definition, SearchSpace(definition).trial_budget()) - pace.searched, 0)
    seeds = definition.search.seeds
    others = max(trainings(definition) - pace.ended - searches * seeds, 0)
    per_search = pace.searched_epochs / pace.searched if pace.searched else per_training * seeds
    if seeds > 1:
        per_search = per_search / seeds + (seeds - 1) * per_training
    left = max(searches * per_search + others * per_training - pace.under_way, 0)
    return left * pace.seconds / pace.epochs / max(pace.cohorts, 1)


def _best(leader: TrialRecord | None, split: NumberSplitter) -> Best | None:
    best = best_of_search(leader)
    if best is None:
        return None
    return Best(number=best.number, objective=objective_body(best, split, "best.objective"))
