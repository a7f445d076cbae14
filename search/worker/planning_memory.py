"""What a worker keeps between its claims so that they are short: trials that have ended, and the last suggestions.

It only saves time. What a plan says is a function of rows, with this memory as without it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from search.definition.plugins import sampler_of
from search.definition.schema import StudyDefinition
from search.sampling import suggest
from search.sampling.suggest import DrawIndex, Drawn
from storage.ended_trials import EndedTrials
from storage.records import TrialRecord, Values

Question = tuple[StudyDefinition, Sequence[TrialRecord], DrawIndex, int, Collection[Values]]
"""The arguments of `suggest.suggest`, which are all that its suggestions depend on."""


class Unanswered(Exception):
    """A sampler is to be asked outside of the lock that is held now."""

    def __init__(self, question: Question) -> None:
        self.question = question
        super().__init__("the sampler is to be asked before the study is locked")


@dataclass
class PlanningMemory:
    """The memory of one worker, for one database."""

    ended: EndedTrials = field(default_factory=EndedTrials)
    _question: Question | None = None
    _answer: Sequence[Drawn] = ()

    def answer(self, question: Question) -> None:
        """Ask the sampler, and keep what it suggests. Raises whatever it raises."""
        self._answer, self._question = suggest.suggest(*question), _comparable(question)

    def ask_under_lock(
        self, definition: StudyDefinition, observed: Sequence[TrialRecord], place: DrawIndex, count: int, known: Collection[Values]
    ) -> list[Drawn]:
        """Do as `suggest.suggest`, from the kept answer where the question is the same.

        Raises Unanswered where another one may take long: of a sampler that learns, and has something to learn from.
        """
        question = (definition, observed, place, count, known)
        if _comparable(question) == self._question:
            return list(self._answer)
        if observed and sampler_of(definition.search.sampler).learns:
            raise Unanswered(question)
        return suggest.suggest(*question)


def _comparable(question: Question) -> Question:
    """Return the question without the epochs of trials in training: every report moves them on, and no sampler reads them."""
    definition, observed, place, count, known = question
    return definition, [trial if trial.ended else replace(trial, epochs=0) for trial in observed], place, count, known
