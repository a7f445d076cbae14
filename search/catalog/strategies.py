"""Samplers, aggregates and pruners: tables of names and parameters, with those that are announced but not built yet."""

from __future__ import annotations

from search.catalog.entries import Parameter, Rule, StrategyEntry, boolean, choice, integer, number

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
    StrategyEntry(name="grid", summary="Every combination of the weights' points, each once.", owned=SEED),
    StrategyEntry(name="random", summary="Independent draws from each weight's range and scale.", owned=SEED),
    StrategyEntry(
        name="tpe",
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
    StrategyEntry(
        name="gp",
        summary="Gaussian process with expected improvement: few trials, each chosen with care (Optuna; needs steelyard[gp]).",
        parameters=(
            integer("n_startup_trials", 10, "Random trials before it begins to learn.", least=1, most=100_000),
            boolean("deterministic_objective", False, "Take differences between like trials for real, not for noise."),
        ),
        owned=GP_OWNED,
    ),
    StrategyEntry(
        name="cmaes",
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
    StrategyEntry(
        name="qmc",
        summary="Quasi-random points that fill the ranges evenly, each on its scale; they do not learn.",
        parameters=(choice("qmc_type", "sobol", ("sobol", "halton"), "The sequence; sobol is best with a power of two trials."),),
        owned=QMC_OWNED,
    ),
    StrategyEntry(
        name="nsga2",
        summary="Non-dominated sorting genetic algorithm: generations that spread along a Pareto front (Optuna).",
        parameters=NSGA,
        owned=NSGA_OWNED,
    ),
    StrategyEntry(
        name="nsga3",
        summary="NSGA with reference directions, for three objectives and more (Optuna).",
        parameters=(
            *NSGA,
            integer("dividing_parameter", 3, "Density of the reference directions.", least=1, most=20),
        ),
        owned={**NSGA_OWNED, "reference_points": f"no `reference_points`: `dividing_parameter` makes them, {ONE_SPACE}"},
    ),
)

SMOOTHING = 0.1
"""`mu` of smooth_tchebycheff where none is given: about the spread of a few tasks' accuracies."""

IDEAL = Parameter(
    "ideal",
    None,
    "any",
    "Each optimised metric's best value, by its path. Left out: 1 for a metric to maximise whose range ends at 1, 0 for one to "
    "minimise whose range begins at 0; required for others.",
    nullable=True,
)

AGGREGATES = (
    StrategyEntry(
        name="mean", summary="Sum of utility x sign x metric over the sum of utilities; sign 1 to maximise, -1 to minimise."
    ),
    StrategyEntry(name="worst", summary="The smallest utility x sign x metric: the worst task decides."),
    StrategyEntry(
        name="pareto", summary="No one value: the trials that no other beats in every metric; `best` asks which to pick."
    ),
    StrategyEntry(
        name="delta_m",
        summary="Mean over metrics of the relative change against each task trained alone, in percent (Maninis et al. 2019).",
        parameters=(
            Parameter(
                "references",
                None,
                "any",
                "What each optimised metric is where its task is trained alone, by its path. Left out: measured before the search.",
                nullable=True,
            ),
        ),
    ),
    StrategyEntry(
        name="geometric_mean",
        summary="Product of metric ^ (utility / sum of utilities): one metric near 0 spoils it. For metrics to maximise that "
        "cannot be negative.",
    ),
    StrategyEntry(
        name="tchebycheff",
        summary="Minus the greatest distance to the ideal, each times utility / sum of utilities: the one farthest behind decides.",
        parameters=(IDEAL,),
    ),
    StrategyEntry(
        name="smooth_tchebycheff",
        summary="As tchebycheff with mu log sum exp(distance / mu) in place of the greatest distance (Lin et al. 2024).",
        parameters=(
            IDEAL,
            number("mu", SMOOTHING, "How smooth: towards 0 it is tchebycheff, a great one comes near to the mean.", above=0),
        ),
    ),
)

WARMUP = Parameter(
    "warmup_epochs",
    None,
    "integer",
    "No trial is ended in the first so many epochs: bad weights look good early. null: a quarter of all, at least 1.",
    nullable=True,
    least=0,
    most=100_000,
)
INTERVAL = Parameter(
    "interval_epochs",
    None,
    "integer",
    "Epochs from one look to the next; null: a tenth of all, at least 1.",
    nullable=True,
    least=1,
    most=100_000,
)
STARTUP = integer(
    "n_startup_trials", 5, "Others that must have been measured at an epoch before any is ended there.", least=1, most=100_000
)
REDUCTION = integer("reduction_factor", 3, "Of so many trials at a rung, one goes on.", least=2, most=10)
FIRST_RUNG = Parameter(
    "min_epochs",
    None,
    "integer",
    "Epochs to the first rung; each further one is `reduction_factor` times as far. null: a ninth of all, at least 1.",
    nullable=True,
    least=1,
    most=100_000,
)

PRUNERS = (
    StrategyEntry(
        name="median",
        summary="Ends trials below the median of the others at the same epoch.",
        parameters=(WARMUP, INTERVAL, STARTUP),
    ),
    StrategyEntry(
        name="successive_halving",
        summary="Keeps one in `reduction_factor` trials at each rung of epochs (Jamieson and Talwalkar 2016).",
        parameters=(FIRST_RUNG, REDUCTION),
    ),
    StrategyEntry(
        name="hyperband",
        summary="Successive halving in several brackets, from eager to patient; trials are shared out among them (Li et al. 2018).",
        parameters=(FIRST_RUNG, REDUCTION),
    ),
    StrategyEntry(
        name="dominated",
        summary="Ends trials that another beats in every optimised metric at the same epoch by a margin: far from the front.",
        parameters=(
            WARMUP,
            INTERVAL,
            number("margin", 0.1, "By how much in each metric, as a share of its range among all trials at that epoch.", least=0),
            STARTUP,
        ),
    ),
)
