"""Take a study in: from the sent document to a stored study, the same study again, or a refusal."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from app.refusals import BadParameter, OtherDefinition, parameter_fault
from app.schemas.studies import Study, StudyPatch, Validation
from app.settings import ApiSettings
from app.study_views import definition_of, seconds_in_all, study_body
from search.definition.effort import Confirmation
from search.definition.plugins import is_grid
from search.definition.schema import DEFINITION_VERSION, StudyDefinition
from search.definition.space import SearchSpace
from search.errors import Fault
from search.objective.scoring import is_pareto
from search.planning.phases import cost, phases
from search.validation import normalize
from search.validation.checks import NO_GAIN_ON_FRONT
from search.validation.normalize import Normal
from search.validation.published import PublishedPlugins
from storage import lifecycle, plugins, studies, study_rows, workers, workloads
from storage.database import Database, Session
from storage.errors import StudyExists
from storage.fleet_records import WorkloadFailure
from storage.records import StudyRecord

NAMES_TRIED = 8


def normalised(storage: Database, document: Any, registered: Iterable[str], settings: ApiSettings) -> Normal:
    """Return the normalised definition, checked against all workloads that are known. Raises InvalidDefinition."""
    with storage.reading() as session:
        now = storage.now(session)
        known = known_workloads(session, registered, now, settings.alive_within_seconds)
        published = published_plugins(session)
        failing = workloads.failures(session, now, settings.alive_within_seconds)
        failures = {name: because(failure) for name, failure in failing.items()}
    return normalize.normalise(document, workloads=known, plugins=published, failures=failures)


def because(failure: WorkloadFailure) -> str:
    """Return why a workload cannot be described, with the file and line."""
    return f"{failure.message} (at {failure.at})" if failure.at else failure.message


def published_plugins(session: Session) -> PublishedPlugins:
    """Return the plug-ins from outside that workers published, and why others could not be loaded."""
    found = plugins.list_plugins(session)
    return PublishedPlugins(
        {(plugin.kind, plugin.name): plugin.traits for plugin in found if plugin.traits is not None},
        {(plugin.kind, plugin.name): plugin.failure for plugin in found if plugin.failure is not None},
    )


def known_workloads(
    session: Session, registered: Iterable[str], now: datetime, alive_within_seconds: float
) -> dict[str, Mapping[str, Any] | None]:
    """Return what was published of every workload that is registered here, a live worker's, or published; None for nothing."""
    live = workers.live_workloads(session, now, alive_within_seconds)
    published = {workload.name: workload.description for workload in workloads.list_workloads(session)}
    failing = workloads.failures(session, now, alive_within_seconds)
    return {**dict.fromkeys([*registered, *live, *failing]), **published}


def submit(session: Session, sent: Normal, now: datetime) -> tuple[StudyRecord, bool]:
    """Store a study, or find the one of the same name and definition; returns whether it is new.

    Raises OtherDefinition where the name's study has another definition.
    """
    name = sent.definition.name
    if name is None:
        return _named_by_us(session, sent, now), True
    found = study_rows.find_study(session, name)
    if found is None:
        try:
            return studies.create_study(session, _new(sent, name), now), True
        except StudyExists:  # created by somebody else just now
            found = study_rows.get_study(session, name)
    if found.definition_sha256 != normalize.definition_sha256(sent.definition):
        raise OtherDefinition(name, normalize.changes(definition_of(found), sent.definition))
    return found, False


def _named_by_us(session: Session, sent: Normal, now: datetime) -> StudyRecord:
    workload = sent.definition.workload.name
    for tried in range(NAMES_TRIED):
        name = f"{workload[:47]}-{secrets.token_hex(2 * (1 + tried))[:16]}"
        try:
            return studies.create_study(session, _new(sent, name), now)
        except StudyExists:
            continue
    raise StudyExists(workload)


def _new(sent: Normal, name: str) -> studies.NewStudy:
    definition = sent.definition
    return studies.NewStudy(
        name=name,
        definition=normalize.to_storage(definition),
        definition_version=DEFINITION_VERSION,
        definition_sha256=normalize.definition_sha256(definition),
        problem_sha256=normalize.problem_sha256(definition),
        workload=definition.workload.name,
        description=definition.description,
        labels=definition.labels,
        priority=definition.priority,
        warnings=sent.warnings,
        trial_budget=SearchSpace(definition).trial_budget(),
        terms=normalize.term_records(definition),
    )


def validation(session: Session, sent: Normal, now: datetime, alive_within_seconds: float) -> Validation:
    """Return what a definition would do. The estimate takes the live workers of its workload to be free for it."""
    definition = sent.definition
    counts = {role.value: count for role, count in phases(definition).items()}
    trainings = sum(counts.values())
    epochs = trainings * definition.training.epochs
    problem = normalize.problem_sha256(definition)
    seconds = seconds_in_all(session, definition, problem, now, alive_within_seconds)
    return Validation(
        definition=normalize.to_api(definition),
        definition_sha256=normalize.definition_sha256(definition),
        problem_sha256=problem,
        grid_size=SearchSpace(definition).grid_size() if is_grid(definition.search.sampler) else None,
        trainings=trainings,
        phases=counts,
        epochs=epochs,
        cost=cost(definition, seconds),
        estimated_seconds=seconds,
        warnings=list(sent.warnings),
    )


def submitted_body(session: Session, study: StudyRecord, now: datetime, alive_within_seconds: float) -> Study:
    """Return the body of a study that was sent just now: its cost says about how long it takes, where that can be estimated."""
    body, definition = study_body(session, study, now, alive_within_seconds), definition_of(study)
    seconds = seconds_in_all(session, definition, study.problem_sha256, now, alive_within_seconds)
    return body.model_copy(update={"cost": cost(definition, seconds)})


def read_patch(document: Any) -> StudyPatch:
    """Return what a PATCH asks for. Raises BadParameter with everything that is wrong, or where nothing is asked for."""
    try:
        patch = StudyPatch.model_validate(document)
    except ValidationError as error:
        raise BadParameter(*map(parameter_fault, error.errors(include_url=False))) from None
    if not patch.model_fields_set:
        raise BadParameter(Fault("", "trials, stop, confirmation, priority, labels or description", "nothing to change"))
    return patch


def change(session: Session, name: str, patch: StudyPatch, now: datetime) -> StudyRecord:
    """Change what may be changed of a study. Raises BadParameter for another number of trials than a grid has points."""
    study = study_rows.get_study(session, name)
    if patch.trials is not None:
        _check_budget(definition_of(study), patch.trials)
        study = lifecycle.raise_budget(session, name, patch.trials, now)
    if "stop" in patch.model_fields_set:
        if patch.stop is not None and patch.stop.no_gain is not None and is_pareto(definition_of(study).objective):
            raise BadParameter(Fault("stop.no_gain", NO_GAIN_ON_FRONT, f"{patch.stop.no_gain:g}"))
        stop = None if patch.stop is None else patch.stop.model_dump(mode="json")
        study = lifecycle.change_stop(session, name, stop, now)
    if patch.confirmation is not None:
        study = _confirm(session, study, patch.confirmation, now)
    if patch.priority is not None:
        study = lifecycle.change_priority(session, name, patch.priority, now)
    if patch.labels is not None or patch.description is not None:
        study = lifecycle.relabel(session, name, patch.labels, patch.description, now)
    return study


def _confirm(session: Session, study: StudyRecord, confirmation: Confirmation, now: datetime) -> StudyRecord:
    definition = definition_of(study)
    before = definition.search.confirmation
    if before is not None and before != confirmation:
        raise BadParameter(Fault("confirmation", f"as it is ({before.model_dump(mode='json')}): the study confirms already", ""))
    if before is not None:
        return study
    new = definition.model_copy(update={"search": definition.search.model_copy(update={"confirmation": confirmation})})
    search = normalize.to_storage(new)["search"]
    return lifecycle.confirm(session, study.name, search, normalize.definition_sha256(new), now)


def _check_budget(definition: StudyDefinition, trials: int) -> None:
    if is_grid(definition.search.sampler) and trials != (size := SearchSpace(definition).grid_size()):
        raise BadParameter(Fault("trials", f"{size}: a grid has each of its points once", str(trials)))
