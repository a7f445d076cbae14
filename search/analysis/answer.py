"""The answer to "which trial is the best": the leader of the search, unless fresh seeds confirm another. Pure functions.

A study with a confirmation is answered by the finalist that wins on fresh seeds (`search.analysis.verdict`), any other by the first
trial in the order of `search.objective.order`. A study that is judged by a front has no one best trial: one is asked for by a pick.
Where there is no answer, the exceptions here say why; they know no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search.analysis.evidence import Evidence
from search.analysis.story import in_percent
from search.analysis.verdict import Verdict, judge
from search.errors import SearchError
from search.objective.fronts import Front
from search.objective.scoring import is_pareto
from search.planning.compromise import scored_objective, valued
from search.planning.confirmation import standing
from search.planning.phases import phases
from storage.records import STUDY_ENDS, Role, StudyRecord, StudyState, TrialRecord

OBJECTIVE, CONFIRMATION, CONFIRMED, METRIC = "objective", "confirmation", "confirmed", "metric:"
RULES = ("knee", "nearest_ideal")
"""Picks of a front that a rule makes: see `search.objective.pareto`."""


class NoAnswer(SearchError):
    """A study has no one best trial. `members` are what a program may want to know of it beside the sentence."""

    def __init__(self, message: str, **members: Any) -> None:
        self.members: Mapping[str, Any] = members
        super().__init__(message)


class NoTrialYet(NoAnswer):
    """The study has no complete trial so far."""

    def __init__(self, study: StudyRecord) -> None:
        super().__init__(f"study {study.name!r} ({study.state.value}) has no complete trial yet", state=study.state.value)


class NoTrialEver(NoAnswer):
    """The study has ended without a complete trial."""

    def __init__(self, study: StudyRecord) -> None:
        because = f": {study.reason.message}" if study.reason and study.reason.message else ""
        text = f"study {study.name!r} ended {study.state.value} without a complete trial{because}"
        super().__init__(text, state=study.state.value)


class SeveralBest(NoAnswer):
    """The study is judged by a front, so there is no one best trial. `picks`: what may be asked for, with the trial picked."""

    def __init__(self, study: StudyRecord, picks: Mapping[str, int]) -> None:
        listed = ", ".join(f"{pick} (trial {number})" for pick, number in picks.items())
        text = f"study {study.name!r} has a front of best trials, and not one; say by pick which is wanted: {listed}"
        super().__init__(text, picks=dict(picks))


class NoFeasibleTrial(NoAnswer):
    """Trials are complete, and each breaks a constraint. `closest` is the one that does so least."""

    def __init__(self, study: StudyRecord, closest: TrialRecord) -> None:
        text = f"no complete trial of study {study.name!r} keeps all constraints; trial {closest.number} comes closest"
        document = {
            "trial": closest.number,
            "weights": dict(closest.weights),
            "value": closest.value,
            "values": dict(closest.values),
            "violations": dict(closest.violations),
        }
        super().__init__(text, closest=document)


@dataclass(frozen=True, slots=True)
class Answer:
    """The trial that a study is answered with, and what chose it. `verdict` is there where fresh seeds had a say."""

    trial: TrialRecord
    picked_by: str
    verdict: Verdict | None = None


def best(found: Evidence) -> Answer:
    """Return the best trial of a study that is judged by one value: the confirmed winner, else the leader of the search.

    Raises NoTrialYet, NoTrialEver, NoFeasibleTrial.
    """
    if (refusal := unanswered(found)) is not None:
        raise refusal
    assert found.leader is not None  # else it is unanswered
    verdict = verdict_of(found)
    return Answer(found.leader, OBJECTIVE) if verdict is None else Answer(verdict.winner.trial, CONFIRMATION, verdict)


def best_of_search(leader: TrialRecord | None) -> TrialRecord | None:
    """Return the leader of the search where it keeps all constraints, whatever fresh seeds say of it."""
    return leader if leader is not None and leader.feasible else None


def unanswered(found: Evidence) -> NoAnswer | None:
    """Return why no trial of the study can be handed over, or None where one can."""
    if found.leader is None:
        return NoTrialEver(found.study) if found.study.state in STUDY_ENDS else NoTrialYet(found.study)
    if best_of_search(found.leader) is None:
        return NoFeasibleTrial(found.study, found.closest or found.leader)
    return None


def verdict_of(found: Evidence) -> Verdict | None:
    """Return the verdict of a finished study, or None where it has no confirmation."""
    if found.definition.search.confirmation is None or found.study.state is not StudyState.COMPLETE:
        return None
    trained, objective = found.trained, found.definition.objective
    if is_pareto(objective):  # by the same compromise as the plan chose its finalists
        objective = scored_objective(objective, found.recalled)
        compromised = [replace(each, trial=valued(objective, each.trial)) for each in trained.candidates]
        trained = replace(trained, candidates=compromised)
    meeting = standing(found.definition, objective, trained, found.anchors)
    percent = in_percent(found.definition, found.own_metrics)
    training = found.definition.training
    fixed_start, fixed_order = training.initial_weights == "fixed", not training.shuffle
    return judge(
        objective,
        meeting,
        trained,
        fixed_start=fixed_start,
        fixed_order=fixed_order,
        percent=percent,
        baselines_planned=phases(found.definition)[Role.BASELINE] > 0,
    )


def confirmed(found: Evidence) -> Answer | None:
    """Return the finalist of a front that fresh seeds confirm, None where none was trained again."""
    verdict = verdict_of(found) if is_pareto(found.definition.objective) else None
    if verdict is None:
        return None
    return Answer(found.trials[verdict.winner.trial.number], CONFIRMED, verdict)  # the verdict's own has the compromise's value


def picks(front: Front, chosen: Answer | None) -> dict[str, int | None]:
    """Return what the rules pick from a front, None from an empty one, and which finalist is `confirmed` where one is."""
    return {**front.picks, **({CONFIRMED: chosen.trial.number} if chosen is not None else {})}


def several_best(study: StudyRecord, front: Front, chosen: Answer | None) -> SeveralBest | None:
    """Return that there are several best trials, with all that may be picked; None of an empty front."""
    if not front.trials:
        return None
    first = {CONFIRMED: chosen.trial.number} if chosen is not None else {}
    ends = {f"{METRIC}{path}": front.best_in(path) for path in front.directions}
    others = {pick: number for pick, number in {**front.picks, **ends}.items() if number is not None}
    return SeveralBest(study, {**first, **others})


def picked(front: Front, pick: str) -> int | None:
    """Return the number of the trial that a rule or one metric picks from a front; None from an empty one."""
    return front.picks[pick] if pick in front.picks else front.best_in(pick.removeprefix(METRIC))


def pick_names(paths: Sequence[str]) -> list[str]:
    """Return all that one may pick by, of a study with these optimised metrics."""
    return [OBJECTIVE, *RULES, CONFIRMED, *(f"{METRIC}{path}" for path in paths)]
