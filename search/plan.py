"""What a study does next: a pure function of its definition and its history.

No state lives here or in any process, so any worker can go on with any study after any crash; a test needs no server, no clock and
no TensorFlow. Each phase is one short function, asked in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from search import sampling, space
from search.baselines import baselines
from search.confirmation import confirmations, finalists
from search.definition import StudyDefinition
from storage.records import PlannedTrial, Reason, Role, StudyState, TrialRecord, TrialState


@dataclass(frozen=True, slots=True)
class History:
    """What the plan may know of a study.

    `counts` has the number of trials by (role, state); `rules` the baselines there are; `trials` the search trials that the sampler
    is told of (all that run, and a bounded choice of the finished); `baselines` all of that role; `confirmed` the (trial, seed) of
    the confirmations there are; `next_number` the number that the next trial gets.
    """

    budget: int
    counts: Mapping[tuple[Role, TrialState], int] = field(default_factory=dict)
    rules: frozenset[str] = frozenset()
    trials: Sequence[TrialRecord] = ()
    baselines: Sequence[TrialRecord] = ()
    confirmed: frozenset[tuple[int, int]] = frozenset()
    next_number: int = 0

    def count(self, *, roles: Sequence[Role] = tuple(Role), states: Sequence[TrialState] = tuple(TrialState)) -> int:
        return sum(self.counts.get((role, state), 0) for role in roles for state in states)

    @property
    def searched(self) -> int:
        """Number of search trials, however they ended."""
        return self.count(roles=[Role.SEARCH])

    @property
    def unfinished(self) -> int:
        return self.count(states=[TrialState.WAITING, TrialState.RUNNING])


@dataclass(frozen=True, slots=True)
class Run:
    """Train these next, together."""

    trials: tuple[PlannedTrial, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to plan until something running ends."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class End:
    """The study is over."""

    state: StudyState
    reason: Reason | None = None


Step = Run | Wait | End


def plan(definition: StudyDefinition, history: History, limit: int) -> Step:
    """Return the study's next trials (at most `limit`, at least 1), or that it waits, or its end."""
    if lacking := _lacking(definition, history):
        return lacking
    planned: list[PlannedTrial] = []
    for phase in PHASES:
        planned += phase(definition, history, planned, limit - len(planned))
    if planned:
        return Run(tuple(planned))
    if history.unfinished:
        return Wait(Reason("trials_running", f"{history.unfinished} planned trials are not finished yet"))
    return _end(history)


def _lacking(definition: StudyDefinition, history: History) -> Step | None:
    """Fail a study whose sampler is still wanted and cannot be asked here, once nothing of it runs elsewhere."""
    reason = sampling.unavailable(definition)
    if reason is None or history.searched >= space.affordable(definition, history.budget):
        return None
    return Wait(reason) if history.unfinished else End(StudyState.FAILED, reason)


def _baselines(definition: StudyDefinition, history: History, planned: Sequence[PlannedTrial], room: int) -> list[PlannedTrial]:
    """Plan the baselines that there are not yet; they go first, so that the comparison is there early."""
    missing = [trial for rule, trial in baselines(definition).items() if rule not in history.rules]
    return missing[: max(room, 0)]


def _suggestions(definition: StudyDefinition, history: History, planned: Sequence[PlannedTrial], room: int) -> list[PlannedTrial]:
    """Plan as many suggestions of the sampler as there is room and budget for: never one more than the budget."""
    room = min(room, sampling.batch_limit(definition, history.trials) - len(planned))
    count = min(room, space.affordable(definition, history.budget) - history.searched)
    if count <= 0:
        return []
    place = sampling.Place(number=history.next_number + len(planned), index=history.searched)
    return [
        PlannedTrial(
            role=Role.SEARCH,
            rule=None,
            parameters=drawn.parameters,
            weights=space.used_weights(definition, drawn.parameters),
            seed=definition.search.seed,
            origin=definition.search.sampler.name,
            sampler_state=drawn.sampler_state,
        )
        for drawn in sampling.suggest(definition, history.trials, place, count)
    ]


def _confirmations(definition: StudyDefinition, history: History, planned: Sequence[PlannedTrial], room: int) -> list[PlannedTrial]:
    """Plan the finalists and the baselines again on fresh seeds, once the search is over."""
    searching = history.count(roles=[Role.SEARCH, Role.BASELINE], states=[TrialState.WAITING, TrialState.RUNNING])
    if planned or searching:
        return []
    references = [trial for trial in history.baselines if trial.state is TrialState.COMPLETE]
    candidates = [*finalists(definition, history.trials), *references]
    return confirmations(definition, candidates, history.confirmed)[: max(room, 0)]


Phase = Callable[[StudyDefinition, History, Sequence[PlannedTrial], int], list[PlannedTrial]]
PHASES: tuple[Phase, ...] = (_baselines, _suggestions, _confirmations)


def _end(history: History) -> End:
    """End the study: COMPLETE, or FAILED where not one search trial has a result."""
    complete = history.count(roles=[Role.SEARCH], states=[TrialState.COMPLETE, TrialState.PRUNED])
    if complete:
        return End(StudyState.COMPLETE)
    ends = {state: history.count(roles=[Role.SEARCH], states=[state]) for state in TrialState}
    told = ", ".join(f"{count} {state}" for state, count in ends.items() if count)
    text = "; ".join([f"not one of {history.searched} search trials is complete: {told}", *_causes(history)])
    return End(StudyState.FAILED, Reason("no_trial_complete", text))


def _causes(history: History, most: int = 3) -> list[str]:
    """Return why the trials ended so, each cause once, the most common first."""
    causes = Counter(trial.reason.message for trial in history.trials if trial.reason is not None)
    return [cause for cause, _ in causes.most_common(most)]
