"""The rules that move loss weights in training: their traits. `implementation` names what computes; only training resolves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Need = Literal["gradient_norms", "gram_matrix", "losses_after"]
"""What a rule asks of a step beside the terms' values.

gradient_norms, gram_matrix: of the unweighted terms' gradients by the last layer that all losses share. losses_after: the terms on
the same batch after the optimizer's step, which costs a forward pass.
"""

Domain = Literal["any", "not_negative", "positive"]
"""The values of a term for which a rule is defined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightingRule:
    """One rule. `implementation`: the `module:attribute` of a `search.training.weighting.protocol.WeightingFormula`.

    `moves`: between epochs or between steps. `weighs_this_step`: a step's weights depend on what that very step measures, so they
    are found after its forward pass. `title`: how a sentence names a training by the rule.
    """

    name: str
    summary: str
    formula: str
    source: str
    title: str
    implementation: str
    moves: Literal["epoch", "step"] = "step"
    needs: tuple[Need, ...] = ()
    weighs_this_step: bool = False
    domain: Domain = "any"

    @property
    def stacks_with(self) -> tuple[object, ...]:
        """Return what rules must have alike to share a graph; one that needs no more of a step than its terms has `PLAIN`."""
        return (self.needs, self.weighs_this_step)

    @property
    def needs_shared_layer(self) -> bool:
        return "gradient_norms" in self.needs or "gram_matrix" in self.needs


PLAIN: tuple[object, ...] = ((), False)

WEIGHTING_RULES = (
    WeightingRule(
        name="uncertainty",
        summary="Learned log-variances, one a term (homoscedastic uncertainty).",
        formula="w_i = exp(-s_i); s minimises sum_i exp(-s_i) L_i + s_i, from 0, by the study's optimizer and learning rate",
        source="Kendall, Gal, Cipolla, CVPR 2018, section 3.2",
        title="uncertainty weighting",
        implementation="search.training.weighting.rules:UNCERTAINTY",
    ),
    WeightingRule(
        name="dwa",
        summary="Dynamic weight average: a term that falls more slowly counts more.",
        formula="w_i = m softmax_i(r / 2), r_i = L_i(t-1) / L_i(t-2), L_i(t) the mean of epoch t; 1 in the first two epochs",
        source="Liu, Johns, Davison, CVPR 2019, equation 7",
        title="dynamic weight averaging",
        implementation="search.training.weighting.rules:DYNAMIC_AVERAGE",
        moves="epoch",
    ),
    WeightingRule(
        name="random",
        summary="Random loss weighting: weights drawn anew in every step.",
        formula="w = m softmax(z), z normal",
        source="Lin, Ye, Zhang, Tsang, TMLR 2022, section 3",
        title="random weighting",
        implementation="search.training.weighting.rules:RANDOM",
    ),
    WeightingRule(
        name="gradnorm",
        summary="GradNorm: terms pull at the last shared layer alike, slower ones harder.",
        formula="w minimises sum_i |G_i - mean(G) r_i^1.5|, G_i = w_i |grad L_i|, r_i how slowly term i falls; w sums to m",
        source="Chen, Badrinarayanan, Lee, Rabinovich, ICML 2018, equations 1 and 2",
        title="GradNorm",
        implementation="search.training.weighting.rules:GRADNORM",
        needs=("gradient_norms",),
    ),
    WeightingRule(
        name="famo",
        summary="Fast adaptive multitask optimization: the logarithms of all terms fall at one rate. One more forward pass a step.",
        formula="w_i = m (z_i / L_i) / sum_j (z_j / L_j), z = softmax(v); v follows the gradient of sum_i z_i (log L_i - log L_i') "
        "(L_i' after the step) plus 0.001 v, by Adam with learning rate 0.025, from 0",
        source="Liu, Feng, Stone, Liu, NeurIPS 2023, algorithm 2",
        title="FAMO",
        implementation="search.training.weighting.famo:FAMO",
        needs=("losses_after",),
        weighs_this_step=True,
        domain="positive",
    ),
    WeightingRule(
        name="imtl_l",
        summary="Impartial multi-task learning, loss balance: learned scales bring all terms to one size. Trains as `uncertainty`.",
        formula="w_i = exp(s_i); s minimises sum_i exp(s_i) L_i - s_i, from 0, by the study's optimizer and learning rate",
        source="Liu, Li, Kuang, Xue, Chen, Yang, Liao, Zhang, ICLR 2021, IMTL-L",
        title="IMTL-L",
        implementation="search.training.weighting.imtl_l:IMTL_L",
        domain="not_negative",
    ),
)

_BY_NAME: Mapping[str, WeightingRule] = MappingProxyType({rule.name: rule for rule in WEIGHTING_RULES})


def find_weighting_rule(name: str) -> WeightingRule | None:
    """Return the rule `name`, or None."""
    return _BY_NAME.get(name)
