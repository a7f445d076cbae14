"""Answer which trials are the best from what is stored, without training: the Pareto front, picks from it, other objectives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from app.refusals import BadParameter, NoFixedWeights
from app.results import best_document, winner_document
from app.schemas.common import finite_document
from app.schemas.results import RankRequest
from app.study_views import definition_of
from search.analysis import answer, reranking
from search.analysis.answer import CONFIRMED, Answer
from search.analysis.evidence import gather
from search.definition.schema import Objective
from search.errors import Fault, InvalidDefinition, shown
from search.export.best_weights import BASELINE
from search.names import listed, nearest
from search.objective import anchors, fronts, pareto
from search.objective.fronts import Front
from search.objective.scoring import Score, is_pareto, optimized, score_paths
from search.planning import rescoring
from search.validation.schema_errors import form_faults
from storage import trial_rows, workloads
from storage.competing_trials import standings, trials_numbered
from storage.database import Session
from storage.records import ADAPTIVE_ORIGIN, STUDY_ENDS, Moment, Role, StudyRecord, TrialState, Values
from storage.study_rows import counted_moment

MAX_COMPARED = 200
FRONT = (
    "trials: the search trials and baselines with fixed weights that were trained to their last epoch, keep all constraints, and "
    "that no other such trial beats in one optimised metric without losing in another"
)
CONFIRMED_RULE = (
    "confirmed: of a study with aggregate pareto, the finalist that has the best mean on fresh seeds by the knee's sum, over the "
    "ranges of the search trials' front"
)

REFERENCE = "reference_point: the worst stored value of each metric among the complete trials, unless the request gives another"


def read_rank(document: Any) -> RankRequest:
    """Return what a request to rank anew asks for. Raises BadParameter with everything that is wrong with its form."""
    if not isinstance(document, dict):
        raise BadParameter(Fault("", "an object with objective, and top if need be", shown(document)))
    fields = RankRequest.model_fields
    unknown = [name for name in document if name not in fields][:MAX_COMPARED]
    faults = [
        Fault(name, f"one of the fields {listed(fields)}", "an unknown field", nearest(name[:64], fields)) for name in unknown
    ]
    try:
        request = RankRequest.model_validate({name: value for name, value in document.items() if name in fields})
    except ValidationError as error:
        faults += form_faults(error, document)
    if faults:
        raise BadParameter(*faults)
    return request


def rank(session: Session, study: StudyRecord, request: RankRequest) -> dict[str, Any]:
    """Return the study's trials as another objective ranks them. Raises BadParameter."""
    try:
        objective = reranking.judged_by(definition_of(study), request.objective, _described(session, study))
    except InvalidDefinition as error:
        raise BadParameter(*error.faults) from None
    if is_pareto(objective):
        shown_by = f"an aggregate that gives one value: a front has no order, GET /v1/studies/{study.name}/pareto shows it"
        raise BadParameter(Fault("objective.aggregate", shown_by, shown(objective.aggregate)))
    objective = _resolved(session, study, objective, "objective")
    stood = standings(session, study, score_paths(objective), Moment(objective.epoch))
    ranked = reranking.ranked(objective, {each.number: each.values for each in stood})
    first = ranked[: request.top]
    found = trials_numbered(session, study.id, [number for number, _ in first])
    return finite_document(
        {
            "study": study.name,
            "state": study.state.value,
            "final": study.state in STUDY_ENDS,
            "aggregate": objective.aggregate,
            "objective": objective.model_dump(mode="json"),
            "ranked": len(ranked),
            "best": reranking.winner(ranked),
            "trials": [
                {
                    "number": number,
                    "role": found[number].role.value,
                    "rule": found[number].rule,
                    "weights": dict(found[number].weights),
                    "objective": _score(score),
                }
                for number, score in first
            ],
        }
    )


def _score(score: Score) -> dict[str, Any]:
    return {
        "value": score.value,
        "values": dict(score.values),
        "feasible": score.feasible,
        "violations": dict(score.violations),
    }


def best_under(session: Session, study: StudyRecord, aggregate: str) -> dict[str, Any]:
    """Return the best-weights document under another aggregate of the same metrics. Raises as `best_document`, and BadParameter."""
    try:
        objective = reranking.under(definition_of(study), aggregate, _described(session, study))
    except InvalidDefinition as error:
        raise BadParameter(*map(_of_query, error.faults)) from None
    if is_pareto(objective):
        expected = "an aggregate that gives one value; of a front, one is picked by ?pick=knee, nearest_ideal or metric:PATH"
        raise BadParameter(Fault("query.aggregate", expected, shown(aggregate)))
    objective = _resolved(session, study, objective, "query.aggregate")
    ranked = reranking.ranked(objective, _measured(session, study, objective))
    number = reranking.winner(ranked)
    if number is None:
        raise _unanswered(session, study, Fault("query.aggregate", "one under which a trial has a finite value", shown(aggregate)))
    return _document_of(session, study, number, f"aggregate:{aggregate}", objective)


def _document_of(
    session: Session, study: StudyRecord, number: int, picked_by: str, objective: Objective | None = None
) -> dict[str, Any]:
    """Return the best-weights document of a trial that the request picks."""
    found = gather(session, study, definition_of(study), numbers=[number], fresh=False)
    return winner_document(session, found, Answer(found.trials[number], picked_by), objective=objective)


def _unanswered(session: Session, study: StudyRecord, asked: Fault) -> Exception:
    """Return why there are no weights: no trial, none that keeps the constraints, or none for just what was `asked`."""
    return answer.unanswered(gather(session, study, definition_of(study), fresh=False)) or BadParameter(asked)


def _resolved(session: Session, study: StudyRecord, objective: Objective, at: str) -> Objective:
    """Return the objective with numbers for what it is relative to. Raises BadParameter where the study has not measured that."""
    found = rescoring.judged_anew(session, study, objective)
    for of, path in anchors.required_anchors(found):
        what = "trained no task alone" if of == anchors.REFERENCE else f"has no complete baseline {of}"
        hint = "give `config.references`" if anchors.needs_references(found) and of == anchors.REFERENCE else "give a number"
        raise BadParameter(
            Fault(at, f"an objective over what study {study.name!r} has measured: {hint}", f"{path} of {of}, and it {what}")
        )
    return found


def _of_query(fault: Fault) -> Fault:
    if fault.path == "objective.aggregate":
        return Fault("query.aggregate", fault.expected, fault.got, fault.did_you_mean)
    return Fault("query.aggregate", f"an aggregate of the study's metrics; at {fault.path}: {fault.expected}", fault.got)


def front(session: Session, study: StudyRecord, reference: str = "") -> Front:
    """Return the study's front so far. `reference` is `PATH:VALUE,...` for the hypervolume. Raises BadParameter."""
    objective = rescoring.judged_anew(session, study, definition_of(study).objective)
    paths = [entry.metric for entry in optimized(objective)]
    return fronts.pareto_front(objective, _measured(session, study, objective), read_reference(reference, paths))


def front_numbers(session: Session, study: StudyRecord) -> list[int]:
    """Return the numbers of the trials on the study's front so far."""
    objective = rescoring.judged_anew(session, study, definition_of(study).objective)
    return fronts.front_numbers(objective, _measured(session, study, objective))


def front_document(session: Session, study: StudyRecord, found: Front) -> dict[str, Any]:
    """Return the front as it goes out."""
    records = trials_numbered(session, study.id, found.trials)
    return finite_document(
        {
            "study": study.name,
            "state": study.state.value,
            "final": study.state in STUDY_ENDS,
            "metrics": dict(found.directions),
            "trials": [
                {
                    "number": number,
                    "role": records[number].role.value,
                    "rule": records[number].rule,
                    "weights": dict(records[number].weights),
                    "values": dict(values),
                }
                for number, values in found.trials.items()
            ],
            "reference_point": dict(found.reference),
            "hypervolume": found.hypervolume,
            "picks": answer.picks(found, _confirmed(session, study)),
            "rules": [FRONT, REFERENCE, _hypervolume_rule(), pareto.KNEE, pareto.NEAREST_IDEAL, CONFIRMED_RULE],
        }
    )


def _hypervolume_rule() -> str:
    most = f"at most {pareto.MOST_OBJECTIVES} metrics and {pareto.MOST_POINTS} trials"
    return f"hypervolume: what the front dominates beyond the reference point, in the metrics' units; null but for {most}"


def best(session: Session, study: StudyRecord) -> dict[str, Any]:
    """Return the best-weights document of the trial that the objective picks. Raises as `best_document`, and SeveralBest."""
    if not is_pareto(definition_of(study).objective):
        return best_document(session, study)
    raise answer.several_best(study, front(session, study), _confirmed(session, study)) or _unanswered(
        session, study, _no_front("objective")
    )


def _confirmed(session: Session, study: StudyRecord) -> Answer | None:
    """Return the finalist of a front that fresh seeds confirm, None of a study without one."""
    definition = definition_of(study)
    confirms = is_pareto(definition.objective) and definition.search.confirmation is not None
    return answer.confirmed(gather(session, study, definition)) if confirms else None


def _best_confirmed(session: Session, study: StudyRecord) -> dict[str, Any]:
    """Return the best-weights document of a front's finalist that fresh seeds confirm. Raises BadParameter."""
    found = gather(session, study, definition_of(study))
    chosen = answer.confirmed(found)
    if chosen is None:
        raise BadParameter(Fault("query.pick", "another pick: no finalist of a front was trained on fresh seeds", shown(CONFIRMED)))
    return winner_document(session, found, chosen)


def _no_front(pick: str) -> Fault:
    return Fault("query.pick", "a front: no feasible trial has a finite number of every optimised metric", shown(pick))


def best_picked(session: Session, study: StudyRecord, pick: str) -> dict[str, Any]:
    """Return the best-weights document of a trial of the front: `knee`, `nearest_ideal`, or `metric:PATH`, the best in one metric.

    `confirmed` is the finalist that fresh seeds confirm; `baseline:RULE` is a baseline of any study. Raises as `best_document`,
    BadParameter, and NoFixedWeights.
    """
    if pick.startswith(BASELINE):
        return _baseline(session, study, pick)
    _check_pick(pick, [entry.metric for entry in optimized(definition_of(study).objective)])
    if pick == CONFIRMED:
        return _best_confirmed(session, study)
    number = answer.picked(front(session, study), pick)
    if number is None:
        raise _unanswered(session, study, _no_front(pick))
    return _document_of(session, study, number, pick)


def _baseline(session: Session, study: StudyRecord, pick: str) -> dict[str, Any]:
    """Return the best-weights document of a baseline. Raises BadParameter where the study has none of that rule, NoFixedWeights."""
    rule = pick.removeprefix(BASELINE)
    found = {each.rule: each for each in trial_rows.trials_of(session, study.id, roles=[Role.BASELINE]) if each.rule}
    if rule not in found:
        choices = [f"{BASELINE}{each}" for each in found]
        expected = f"a baseline of the study ({listed(choices, 60)})"
        raise BadParameter(Fault("query.pick", expected, shown(pick), nearest(pick[:MAX_COMPARED], choices)))
    if found[rule].origin == ADAPTIVE_ORIGIN:
        raise NoFixedWeights(study.name, rule)
    if found[rule].state is not TrialState.COMPLETE:
        raise BadParameter(Fault("query.pick", "a baseline that is COMPLETE", f"{shown(pick)}, which is {found[rule].state}"))
    return _document_of(session, study, found[rule].number, pick)


def _check_pick(pick: str, paths: Sequence[str]) -> None:
    choices = answer.pick_names(paths)
    if pick not in choices:
        raise BadParameter(Fault("query.pick", f"one of {listed(choices, 60)}", shown(pick), nearest(pick[:MAX_COMPARED], choices)))


def read_reference(text: str, paths: Sequence[str]) -> Values:
    """Return the reference point that a query names, `PATH:VALUE,...`. Raises BadParameter."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        path, _, value = part.rpartition(":")
        if path not in paths:
            expected = f"PATH:VALUE for optimised metrics ({listed(paths, 60)})"
            raise BadParameter(Fault("query.reference", expected, shown(part), nearest(path[:MAX_COMPARED], paths)))
        found[path] = _finite(value)
    return found


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadParameter(Fault("query.reference", "a finite number after the `:`", shown(text)))
    return value


def _described(session: Session, study: StudyRecord) -> Mapping[str, Any] | None:
    described = workloads.find_workload(session, study.workload)
    return None if described is None else described.description


def _measured(session: Session, study: StudyRecord, objective: Objective) -> dict[int, Values]:
    found = standings(session, study, score_paths(objective), counted_moment(study))
    return {each.number: each.values for each in found}
