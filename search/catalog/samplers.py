"""The built-in samplers: one object each, with parameters and traits. `search.sampling` computes them."""

from __future__ import annotations

from search.catalog.entries import Extra, Parameter, Rule, SamplerEntry, boolean, choice, integer, number

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
ONE_SPACE = "every weight is drawn together with the others"
GP_OWNED = {
    **SEED,
    "independent_sampler": "no `independent_sampler`: the first trials are random draws",
    "constraints_func": TPE_OWNED["constraints_func"],
    "warn_independent_sampling": f"no `warn_independent_sampling`: {ONE_SPACE}",
}
CMAES_OWNED = {
    **SEED,
    "x0": f"no `x0`: it {DEPRECATED}; the first generation lies around the middle of the ranges, on their scale",
    "sigma0": f"no `sigma0`: it {DEPRECATED}; the first generation spreads over a sixth of the ranges",
    "restart_strategy": f"no `restart_strategy`: it {DEPRECATED}",
    "inc_popsize": f"no `inc_popsize`: it {DEPRECATED}",
    "n_startup_trials": "no `n_startup_trials`: the first trials are the first generation already",
    "independent_sampler": f"no `independent_sampler`: {ONE_SPACE}",
    "warn_independent_sampling": f"no `warn_independent_sampling`: {ONE_SPACE}",
    "consider_pruned_trials": "no `consider_pruned_trials`: a trial that ended early has no value to be compared by",
    "source_trials": "no `source_trials`: a study begins with its own trials",
}
QMC_OWNED = {
    **SEED,
    "scramble": "no `scramble`: points are always scrambled, by `search.seed`; unscrambled ones begin in a corner",
    "independent_sampler": f"no `independent_sampler`: {ONE_SPACE}",
    "warn_independent_sampling": f"no `warn_independent_sampling`: {ONE_SPACE}",
    "warn_asynchronous_seeding": "no `warn_asynchronous_seeding`: every process draws from the one sequence",
}


NSGA_OWNED = {
    **SEED,
    "constraints_func": TPE_OWNED["constraints_func"],
    "crossover": "no `crossover`: it is an object, which a JSON document cannot hold",
    "mutation": "no `mutation`: it is an object, which a JSON document cannot hold",
    "elite_population_selection_strategy": f"no `elite_population_selection_strategy`: it {NO_CALLABLE}",
    "child_generation_strategy": f"no `child_generation_strategy`: it {NO_CALLABLE}",
    "after_trial_strategy": f"no `after_trial_strategy`: it {NO_CALLABLE}",
}
NSGA = (
    integer("population_size", 16, "Trials of a generation.", least=2, most=200),
    Parameter(
        "mutation_prob", None, "number", "Chance that a child's weight is drawn anew; null: 1 / weights.", True, least=0, most=1
    ),
    number("crossover_prob", 0.9, "Chance that a child has two parents.", least=0, most=1),
    number("swapping_prob", 0.5, "Chance that a weight comes from the other parent.", least=0, most=1),
)


def _alone(*options: str) -> Rule:
    """Return the rule that of some variants of an algorithm no two are asked for."""
    return Rule(f"at most one of {', '.join(options)}", lambda given: sum(bool(given.get(option)) for option in options) < 2)


SAMPLERS = (
    SamplerEntry(
        name="grid",
        implementation="search.sampling.suggest:grid_points",
        draws_points=True,
        is_grid=True,
        learns=False,
        summary="Every combination of the weights' points, each once.",
        owned=SEED,
    ),
    SamplerEntry(
        name="random",
        implementation="search.sampling.suggest:make_random",
        learns=False,
        summary="Independent draws from each weight's range and scale.",
        owned=SEED,
    ),
    SamplerEntry(
        name="tpe",
        implementation="search.sampling.suggest:make_tpe",
        models_values=True,
        summary="Tree-structured Parzen estimator: draws more where good trials lie dense (Optuna).",
        parameters=(
            integer("n_startup_trials", 10, "Random trials before it begins to learn.", least=0, most=100_000),
            integer("n_ei_candidates", 24, "Candidates compared for one suggestion.", least=1, most=10_000),
            Parameter("multivariate", None, "boolean", "Model weights jointly; null: they are.", nullable=True),
            boolean("group", False, "With `multivariate`: model weights that occur together as groups."),
            boolean("constant_liar", True, "Keep away from settings that are being trained."),
        ),
        owned=TPE_OWNED,
        rules=(Rule("multivariate with group", lambda given: not given.get("group") or given.get("multivariate") is not False),),
    ),
    SamplerEntry(
        name="gp",
        implementation="search.sampling.suggest:make_gp",
        first_batch="n_startup_trials",
        next_batch=4,  # it learns more from each trial, and guesses more the more of a batch come before
        models_values=True,
        prunable=False,
        needs=Extra("torch", "PyTorch", "steelyard[gp]"),
        summary="Gaussian process with expected improvement: few trials, each chosen with care (Optuna; needs steelyard[gp]).",
        parameters=(
            integer("n_startup_trials", 10, "Random trials before it begins to learn.", least=1, most=100_000),
            boolean("deterministic_objective", False, "Take differences between like trials for real, not for noise."),
        ),
        owned=GP_OWNED,
    ),
    SamplerEntry(
        name="cmaes",
        implementation="search.sampling.suggest:make_cmaes",
        generation="popsize",
        single_valued=True,
        models_values=True,
        heeds_constraints=False,
        prunable=False,
        summary="Covariance matrix adaptation: generations that move and narrow towards the best (Optuna). Heeds no constraints.",
        parameters=(
            Parameter(
                "popsize", None, "integer", "Trials of a generation; null: 4 + floor(3 ln weights).", True, least=4, most=256
            ),
            boolean("use_separable_cma", False, "Learn each weight's spread alone, without correlations: for many weights."),
            boolean("with_margin", False, "Keep a chance of change for weights that are one of `values`."),
            boolean("lr_adapt", False, "Adapt the learning rates: for noisy values and many optima."),
        ),
        owned=CMAES_OWNED,
        rules=(_alone("use_separable_cma", "with_margin", "lr_adapt"),),
    ),
    SamplerEntry(
        name="qmc",
        implementation="search.sampling.quasirandom:quasirandom_points",
        draws_points=True,
        learns=False,
        summary="Quasi-random points that fill the ranges evenly, each on its scale; they do not learn.",
        parameters=(choice("qmc_type", "sobol", ("sobol", "halton"), "The sequence; sobol is best with a power of two trials."),),
        owned=QMC_OWNED,
    ),
    SamplerEntry(
        name="nsga2",
        implementation="search.sampling.suggest:make_nsga2",
        generation="population_size",
        first_at_random=True,
        prunable=False,
        summary="Non-dominated sorting genetic algorithm: generations that spread along a Pareto front (Optuna).",
        parameters=NSGA,
        owned=NSGA_OWNED,
    ),
    SamplerEntry(
        name="nsga3",
        implementation="search.sampling.suggest:make_nsga3",
        generation="population_size",
        first_at_random=True,
        prunable=False,
        summary="NSGA with reference directions, for three objectives and more (Optuna).",
        parameters=(
            *NSGA,
            integer("dividing_parameter", 3, "Density of the reference directions.", least=1, most=20),
        ),
        owned={**NSGA_OWNED, "reference_points": f"no `reference_points`: `dividing_parameter` makes them, {ONE_SPACE}"},
    ),
)
