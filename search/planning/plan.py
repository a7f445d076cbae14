"""What a study does next: a pure function of its definition and its history.

All that a plan needs is stored, so any worker can go on with any study after any crash; a test needs no server, no clock and no
TensorFlow. A worker may bring draws that it made ahead: they are lost with it, and another draws anew, from what has ended. Each
phase is one short function, asked in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from search.definition.finite import FiniteSpace, Setting, finite_space
from search.definition.plugins import is_grid
from search.definition.schema import Objective, StudyDefinition
from search.definition.space import SearchSpace
from search.objective.anchors import Measurement, anchors, is_resolved, measured_by, required_anchors, resolve_anchors, settled
from search.objective.order import Place, place
from search.planning.baselines import baselines, distinct
from search.planning.candidates import Candidate
from search.planning.compromise import scored, scored_objective, valued
from search.planning.confirmation import again, budget_of, standing
from search.planning.finalists import finalists, modelled_trials
from search.planning.initial_values import divisors
from search.planning.meeting import Meeting, Trained, Training
from search.planning.references import one_of_each, references
from search.planning.seeds import several_seeds
from search.sampling import suggest
from search.sampling.beliefs import beliefs
from storage.records import (
    TRIAL_ENDS,
    AnchorRecord,
    Measured,
    PlannedTrial,
    Reason,
    Role,
    StudyState,
    TrialRecord,
    TrialState,
    Values,
)


@dataclass(frozen=True, slots=True)
class History:
    """What the plan may know of a study.

    `counts` has the number of trials by (role, state); `trials` the search trials that the sampler observes (all that run, and
    a bounded choice of the finished); `references` and `baselines` all of those roles; `confirmed` the (trial, seed) of the
    confirmations there are, `repeating` of those that are not finished, `repeated` what the complete ones measured; `finalists`
    the search trials that were chosen for them, if the choice was made on this search; `next_number` the number that the next
    trial gets; `takes_the_last`: whether a sampler's last few suggestions may come with those before them. `initial` are the
    terms' values before training; `anchors` what is kept of references and baselines, `measurements` what they measured, as
    long as anchors are wanted. `settings` are the parameters of all search trials but cancelled ones, in a space of finitely
    many settings. `seconds` is how long the study has trained, fresh seeds aside, where its search stops by that;
    `expected_gain` what a model of the search trials that have ended expects to be gained, in units of the noise, once it is
    worked out. `ahead` are suggestions that were drawn before the latest cohort had ended: they are taken where they are the
    next.
    """

    budget: int
    counts: Mapping[tuple[Role, TrialState], int] = field(default_factory=dict)
    trials: Sequence[TrialRecord] = ()
    references: Sequence[TrialRecord] = ()
    baselines: Sequence[TrialRecord] = ()
    confirmed: frozenset[Training] = frozenset()
    repeating: frozenset[Training] = frozenset()
    repeated: Mapping[Training, Measured] = field(default_factory=dict)
    finalists: Sequence[int] = ()
    next_number: int = 0
    initial: Values = field(default_factory=dict)
    anchors: Sequence[AnchorRecord] = ()
    settings: Collection[Values] = ()
    measurements: Sequence[Measurement] = ()
    seconds: float = 0.0
    expected_gain: float | None = None
    ahead: suggest.DrawnAhead | None = None
    takes_the_last: bool = False

    def count(self, *, roles: Sequence[Role] = tuple(Role), states: Sequence[TrialState] = tuple(TrialState)) -> int:
        return sum(self.counts.get((role, state), 0) for role in roles for state in states)

    @property
    def searched(self) -> int:
        """Number of search trials, however they ended."""
        return self.count(roles=[Role.SEARCH])

    @property
    def searches_ended(self) -> int:
        """Number of search trials that have ended."""
        return self.count(roles=[Role.SEARCH], states=list(TRIAL_ENDS))

    @property
    def unfinished(self) -> int:
        return self.count(states=[TrialState.WAITING, TrialState.RUNNING])


@dataclass(frozen=True, slots=True)
class Run:
    """Train these next, together."""

    trials: tuple[PlannedTrial, ...]


@dataclass(frozen=True, slots=True)
class ScoreStudy:
    """The references are in: keep these anchors, score by them what has ended, and ask again."""

    anchors: tuple[AnchorRecord, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to plan until something running ends."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class End:
    """The study is over."""

    state: StudyState
    reason: Reason | None = None


FEWEST_ENDED = 12
"""So many search trials must have ended before what is still to be gained can be judged."""

Step = Run | ScoreStudy | Wait | End


Ask = Callable[[StudyDefinition, Sequence[TrialRecord], suggest.DrawIndex, int, Collection[Values]], list[suggest.Drawn]]
"""How a sampler is asked: `suggest.suggest`, or what gives the same in another way."""


def plan(definition: StudyDefinition, history: History, limit: int, ask: Ask = suggest.suggest) -> Step:
    """Return the study's next trials, that it can be scored now, that it waits, or its end.

    The trials' trainings are at most `limit`, but for a single trial of more seeds than that. Raises whatever `ask` raises.
    """
    if early := _lacking(definition, history) or _scored(definition, history):
        return early
    planned: list[PlannedTrial] = []
    for phase in PHASES:
        planned += phase(definition, history, planned, limit - sum(max(1, len(trial.seeds)) for trial in planned), ask)
    if planned:
        return Run(tuple(planned))
    if history.unfinished:
        return Wait(Reason("trials_running", f"{history.unfinished} planned trials are not finished yet"))
    return _end(definition, history)


def _lacking(definition: StudyDefinition, history: History) -> Step | None:
    """Fail a study whose sampler is still wanted and cannot be asked here, once nothing of it runs elsewhere."""
    reason = suggest.unavailable(definition)
    if reason is None or searches_left(definition, history) <= 0:
        return None
    return Wait(reason) if history.unfinished else End(StudyState.FAILED, reason)


def searches_left(definition: StudyDefinition, history: History) -> int:
    """Return how many search trials may still be planned: of the budget, of a grid's points, of a finite space's settings."""
    left = history.budget - history.searched
    if is_grid(definition.search.sampler):
        return min(left, SearchSpace(definition).grid_size() - history.searched)
    finite = finite_space(definition)
    if finite is None or left <= 0:
        return left
    tried = len(_tried(finite, history))
    return finite.count(tried + left) - tried


def stopped(definition: StudyDefinition, history: History) -> Reason | None:
    """Return why the search ends before its budget is spent, or None; never before a search trial is complete."""
    stop = definition.search.stop
    if stop is None or not history.count(roles=[Role.SEARCH], states=[TrialState.COMPLETE]):
        return None
    so_far = f"{history.searched} of {history.budget} search trials"
    if stop.after_seconds is not None and history.seconds >= stop.after_seconds:
        text = f"the search stopped after {history.seconds:.0f} s of training, with {so_far}; asked for {stop.after_seconds:g} s"
        return Reason("stopped_after_seconds", text)
    if stop.no_gain is not None and history.expected_gain is not None and history.expected_gain < stop.no_gain:
        left = f"{history.expected_gain:.2g} times the noise of one training is expected to be gained, less than {stop.no_gain:g}"
        return Reason("stopped_no_gain", f"the search stopped with {so_far}: {left}")
    return None


def wants_gain(definition: StudyDefinition, history: History) -> bool:
    """Return whether the plan must know what is still to be gained, and does not."""
    stop = definition.search.stop
    asked = stop is not None and stop.no_gain is not None and searches_left(definition, history) > 0
    return asked and history.expected_gain is None and history.searches_ended >= FEWEST_ENDED


def _tried(finite: FiniteSpace, history: History) -> set[Setting]:
    """Return the settings of all search trials but those that were cancelled: these may have been trained to nothing."""
    observed = [trial.parameters for trial in history.trials if trial.state is not TrialState.CANCELLED]
    return {finite.setting(parameters) for parameters in (*history.settings, *observed)}


def is_scored(definition: StudyDefinition, history: History) -> bool:
    """Return whether trials can be scored: nothing that the objective is relative to is still to be measured."""
    return is_resolved(resolve_anchors(definition.objective, history.anchors))


def _scored(definition: StudyDefinition, history: History) -> Step | None:
    """Resolve what the objective is relative to, as soon as all of it has been measured; fail a study where that cannot be."""
    measured = [*history.references, *history.baselines]
    unplanned = _references(definition, history, (), 1, suggest.suggest) or _baselines(definition, history, (), 1, suggest.suggest)
    if is_scored(definition, history) or unplanned or not settled(definition, measured):
        return None
    found = anchors(definition.objective, history.measurements)
    lacking = required_anchors(resolve_anchors(definition.objective, found))
    if not lacking:
        return ScoreStudy(tuple(found))
    of, path = lacking[0]
    causes = [trial.reason.message for trial in measured if trial.reason is not None and measured_by(of, path)[1] == trial.rule]
    because = f": {causes[0]}" if causes else ""
    reason = Reason("no_reference", f"{path} has no finite value in any training of {of}, so nothing can be judged by it{because}")
    return Wait(reason) if history.unfinished else End(StudyState.FAILED, reason)


def _trials_in(definition: StudyDefinition, planned: Sequence[PlannedTrial], room: int) -> int:
    """Return how many trials on the search's seeds have room: one at least where nothing is planned beside them."""
    return max(room // definition.search.seeds, 0 if planned else 1)


def _references(
    definition: StudyDefinition, history: History, planned: Sequence[PlannedTrial], room: int, ask: Ask
) -> list[PlannedTrial]:
    """Plan the references that there are not yet: nothing relative can be scored before they are in."""
    return references(definition, {(trial.rule, trial.seed) for trial in history.references})[: max(room, 0)]


def _baselines(
    definition: StudyDefinition, history: History, planned: Sequence[PlannedTrial], room: int, ask: Ask
) -> list[PlannedTrial]:
    """Plan the baselines that there are not yet; they go first, so that the comparison is there early: yours is trial 0."""
    there = {trial.rule for trial in history.baselines}
    missing = [trial for rule, trial in baselines(definition, history.initial or None).items() if rule not in there]
    return missing[: _trials_in(definition, planned, room)]


def _suggestions(
    definition: StudyDefinition, history: History, planned: Sequence[PlannedTrial], room: int, ask: Ask
) -> list[PlannedTrial]:
    """Plan as many suggestions of the sampler as there is room and budget for: never one more than the budget.

    Before trials can be scored, only those that need no scores: a sampler's first draws.
    """
    if stopped(definition, history) is not None:
        return []
    observed = history.trials
    left = searches_left(definition, history)
    batch = suggest.batch_limit(definition, observed, left if history.takes_the_last else None) - len(planned)
    count = min(_trials_in(definition, planned, room), batch, left)
    if not is_scored(definition, history):
        count = min(count, suggest.batch_limit(definition, ()) - history.searched)
    if count <= 0:
        return []
    place = suggest.DrawIndex(number=history.next_number + len(planned), index=history.searched)
    ahead = history.ahead if history.ahead is not None and history.ahead.has(place, count) else None
    return [
        PlannedTrial(
            role=Role.SEARCH,
            rule=None,
            parameters=drawn.parameters,
            weights=SearchSpace(definition).used_weights(drawn.parameters, divisors(definition, history.initial)),
            seed=definition.search.seed,
            origin=definition.search.sampler.name,
            sampler_state=drawn.sampler_state,
            seeds=several_seeds(definition),
            planned_after=ahead.after if ahead else None,
            planned_beside=ahead.beside if ahead else None,
        )
        for drawn in (ahead.drawn[:count] if ahead else ask(definition, observed, place, count, history.settings))
    ]


def _confirmations(
    definition: StudyDefinition, history: History, planned: Sequence[PlannedTrial], room: int, ask: Ask
) -> list[PlannedTrial]:
    """Plan the finalists, the baselines and what they are relative to again on fresh seeds, once the search is over."""
    met = None if planned else confirmation(definition, history)
    return [] if met is None else again(met.meeting.due, met.trained.candidates)[:room]


@dataclass(frozen=True, slots=True)
class Confirming:
    """The confirmation of a study whose search is over: who trains on fresh seeds, and how far it is."""

    trained: Trained
    meeting: Meeting


def confirmation(definition: StudyDefinition, history: History) -> Confirming | None:
    """Return how far the confirmation is; None before the search is over, and where nothing is confirmed."""
    if not _searched(definition, history):
        return None
    objective = scored_objective(definition.objective, history.trials)
    trained = Trained(_candidates(definition, history, objective), history.confirmed, history.repeating)
    found = standing(definition, objective, trained, history.anchors)
    return None if found is None else Confirming(trained, found)


def wants_finalists(definition: StudyDefinition, history: History) -> bool:
    """Return whether finalists are to be chosen: the search is over, some trial may be one, and the choice was not yet made."""
    if history.finalists or not _searched(definition, history):
        return False
    return bool(finalists(definition, scored(definition.objective, history.trials)))


def finalists_by_rank(definition: StudyDefinition, history: History) -> tuple[int, ...]:
    """Return the numbers of the finalists without a model of the search: its best trials in order."""
    return tuple(trial.number for trial in finalists(definition, scored(definition.objective, history.trials)))


def choose_finalists(definition: StudyDefinition, history: History) -> History:
    """Return the history with the finalists chosen, once the search is over; a choice that was made for this search stays.

    The choice takes up to a third of a second: a worker makes it outside of any lock.
    """
    if not wants_finalists(definition, history):
        return history
    found = _finalists(definition, history, scored(definition.objective, history.trials))
    return replace(history, finalists=tuple(trial.number for trial in found))


def _searched(definition: StudyDefinition, history: History) -> bool:
    """Return whether the search is over, of a study that confirms what it found: all is planned, and all has ended."""
    before = [Role.REFERENCE, Role.BASELINE, Role.SEARCH]
    if definition.search.confirmation is None or history.count(roles=before, states=[TrialState.WAITING, TrialState.RUNNING]):
        return False
    return searches_left(definition, history) <= 0 or stopped(definition, history) is not None


def _candidates(definition: StudyDefinition, history: History, objective: Objective) -> list[Candidate]:
    """Return who trains on fresh seeds: as many finalists and baselines as the budget allows, and whoever did already."""
    searched = scored(definition.objective, history.trials)
    references = one_of_each(history.references)
    complete = [trial for trial in history.baselines if trial.state is TrialState.COMPLETE]
    baselines = complete if objective is definition.objective else [valued(objective, trial) for trial in complete]
    budget, chosen = budget_of(definition, len(references)), _finalists(definition, history, searched)
    assert budget is not None
    best = sorted(distinct(definition, baselines), key=_place, reverse=True)
    some, others = budget.field(len(chosen), len(best))
    already = {number for number, _ in history.confirmed}
    found = [*chosen[:some], *(trial for trial in searched if trial.number in already), *best[:others]]
    found += [*(trial for trial in baselines if trial.number in already), *references]
    each_once = {trial.number: trial for trial in sorted(found, key=lambda trial: trial.number)}
    return [Candidate(trial, _measured(history, trial.number)) for trial in each_once.values()]


def _finalists(definition: StudyDefinition, history: History, searched: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the finalists, the best first: those that were chosen for this search, else the best by the model's means."""
    if history.finalists:
        places = {number: place for place, number in enumerate(history.finalists)}
        return sorted((trial for trial in searched if trial.number in places), key=lambda trial: places[trial.number])
    if not finalists(definition, searched):  # nobody to choose among: no model is needed
        return []
    observed = modelled_trials(searched)
    found = beliefs(
        definition, observed, (), divisors(definition, history.initial), baselines=history.baselines, anchors=history.anchors
    )
    return finalists(definition, searched, found.ranks if found else None)


def _place(trial: TrialRecord) -> Place:
    return place(trial.feasible, trial.value, trial.number)


def _measured(history: History, number: int) -> dict[int, Measured]:
    return {seed: measured for (trial, seed), measured in history.repeated.items() if trial == number}


Phase = Callable[[StudyDefinition, History, Sequence[PlannedTrial], int, Ask], list[PlannedTrial]]
PHASES: tuple[Phase, ...] = (_baselines, _references, _suggestions, _confirmations)


def _end(definition: StudyDefinition, history: History) -> End:
    """End the study: COMPLETE, or FAILED where not one search trial is: then there is nothing that could be the best."""
    complete = history.count(roles=[Role.SEARCH], states=[TrialState.COMPLETE])
    finite = finite_space(definition)
    if complete and finite is not None and not is_grid(definition.search.sampler) and history.searched < history.budget:
        text = f"all {len(_tried(finite, history))} settings were tried; {history.budget} trials were asked for"
        return End(StudyState.COMPLETE, Reason("all_settings_known", text))
    if complete:
        return End(StudyState.COMPLETE, stopped(definition, history) if history.searched < history.budget else None)
    ends = {state: history.count(roles=[Role.SEARCH], states=[state]) for state in TrialState}
    observed = ", ".join(f"{count} {state}" for state, count in ends.items() if count)
    text = "; ".join([f"not one of {history.searched} search trials is complete: {observed}", *_causes(history)])
    return End(StudyState.FAILED, Reason("no_trial_complete", text))


def _causes(history: History, most: int = 3) -> list[str]:
    """Return why the trials ended so, each cause once, the most common first."""
    causes = Counter(trial.reason.message for trial in history.trials if trial.reason is not None)
    return [cause for cause, _ in causes.most_common(most)]
