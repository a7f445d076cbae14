"""The baselines, trainings that need no search: a table of traits.

`planned_by` names what plans one; only planning resolves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from search.catalog.weighting_rules import WEIGHTING_RULES, WeightingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One baseline. A trial's `rule` is its name, or `name:part` where it stands for several (`without:agreement`).

    Its weights are fixed, planned by the function `module:attribute` of `planned_by`; or they move by a weighting rule, and none
    can be handed over. `title`: how a sentence names it, with `{part}` for the part. `heading`: that of its column in a table,
    where it is not the rule. `always`: in every study, and not to be asked for. `usual`: where a definition lists none.
    """

    name: str
    summary: str
    title: str
    heading: str | None = None
    planned_by: str | None = None
    weighting: WeightingRule | None = None
    always: bool = False
    usual: bool = False

    def titled(self, part: str = "") -> str:
        """Return how a sentence names it."""
        return self.title.format(part=part)


def adaptive(rule: WeightingRule, *, usual: bool = False) -> Baseline:
    """Return the baseline whose weights a rule moves."""
    return Baseline(name=rule.name, summary=rule.summary, title=rule.title, weighting=rule, usual=usual)


FIXED = (
    Baseline(
        name="current",
        summary="The weights that the definition names as `current`.",
        title="your weights of today",
        heading="yours",
        planned_by="search.planning.baselines:current",
        always=True,
    ),
    Baseline(
        name="equal",
        summary="Every term counts 1.",
        title="equal weights",
        planned_by="search.planning.baselines:equal",
        usual=True,
    ),
    Baseline(
        name="inverse_initial_loss",
        summary="Every loss counts 1 / its value before training, scaled so that they sum to their number; penalties count 1.",
        title="inverse-initial-loss weights",
        heading="inverse loss",
        planned_by="search.planning.baselines:inverse_initial_loss",
        usual=True,
    ),
    Baseline(
        name="without",
        summary="Equal weights, without each penalty in turn.",
        title="equal weights without {part}",
        planned_by="search.planning.baselines:without",
        usual=True,
    ),
)

BASELINES = (*FIXED, *(adaptive(rule, usual=rule.name == "uncertainty") for rule in WEIGHTING_RULES))

USUAL = tuple(baseline.name for baseline in BASELINES if baseline.usual)

_BY_NAME: Mapping[str, Baseline] = MappingProxyType({baseline.name: baseline for baseline in BASELINES})


def find_baseline(rule: str) -> Baseline | None:
    """Return the baseline that a trial's `rule` is of, `name` or `name:part`, or None."""
    return _BY_NAME.get(rule.partition(":")[0])


def baseline_names() -> tuple[str, ...]:
    """Return the names that a definition may list."""
    return tuple(baseline.name for baseline in BASELINES if not baseline.always)
