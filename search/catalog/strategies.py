"""Samplers, aggregates and pruners: tables of names and parameters, with those that are announced but not built yet."""

from __future__ import annotations

from search.catalog.entries import Parameter, Rule, StrategyEntry, boolean, integer

SEED = {"seed": "no `seed` here: the study has one seed, in `search.seed`"}
NO_CALLABLE = "is a function, which a JSON document cannot hold"
DEPRECATED = "is deprecated in Optuna 5"
TPE_OWNED = {
    **SEED,
    "gamma": f"no `gamma`: it {NO_CALLABLE}",
    "weights": f"no `weights`: it {NO_CALLABLE}",
    "constraints_func": "no `constraints_func`: constraints are declared in `objective.metrics`",
    "consider_prior": f"no `consider_prior`: it {DEPRECATED}",
    "prior_weight": f"no `prior_weight`: it {DEPRECATED}",
    "consider_magic_clip": f"no `consider_magic_clip`: it {DEPRECATED}",
    "consider_endpoints": f"no `consider_endpoints`: it {DEPRECATED}",
    "warn_independent_sampling": f"no `warn_independent_sampling`: it {DEPRECATED}",
}


def _later(name: str, summary: str) -> StrategyEntry:
    return StrategyEntry(name=name, summary=summary, available=False)


SAMPLERS = (
    StrategyEntry(name="grid", summary="Every combination of the weights' points, each once.", owned=SEED),
    StrategyEntry(name="random", summary="Independent draws from each weight's range and scale.", owned=SEED),
    StrategyEntry(
        name="tpe",
        summary="Tree-structured Parzen estimator: draws more where good trials lie dense (Optuna).",
        parameters=(
            integer("n_startup_trials", 10, "Random trials before it begins to learn.", least=0, most=100_000),
            integer("n_ei_candidates", 24, "Candidates compared for one suggestion.", least=1, most=10_000),
            Parameter(
                "multivariate", None, "boolean", "Model weights jointly; null: jointly for one objective value.", nullable=True
            ),
            boolean("group", False, "With `multivariate`: model weights that occur together as groups."),
            boolean("constant_liar", True, "Keep away from settings that are being trained."),
        ),
        owned=TPE_OWNED,
        rules=(Rule("multivariate with group", lambda given: not given.get("group") or given.get("multivariate") is not False),),
    ),
    _later("gp", "Gaussian process."),
    _later("cmaes", "Covariance matrix adaptation evolution strategy."),
    _later("nsga2", "Non-dominated sorting genetic algorithm, for a Pareto front."),
    _later("nsga3", "NSGA with reference points, for many objectives."),
    _later("qmc", "Quasi-random points that fill the space evenly."),
)

AGGREGATES = (
    StrategyEntry(
        name="mean", summary="Sum of utility x sign x metric over the sum of utilities; sign 1 to maximise, -1 to minimise."
    ),
    StrategyEntry(name="worst", summary="The smallest utility x sign x metric: the worst task decides."),
    _later("pareto", "No single value: the trials that no other beats in every metric."),
    _later("delta_m", "Mean gain over single-task references, in percent."),
    _later("geometric_mean", "Geometric mean of the metrics."),
    _later("tchebycheff", "Greatest weighted distance to the ideal."),
    _later("smooth_tchebycheff", "A smooth form of the greatest weighted distance to the ideal."),
)

PRUNERS = (
    _later("median", "Ends trials below the median of the others at the same epoch."),
    _later("successive_halving", "Keeps the better share of the trials at each rung."),
    _later("hyperband", "Successive halving over several brackets."),
    _later("dominated", "Ends trials that another beats in every metric."),
)
