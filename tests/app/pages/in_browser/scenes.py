"""Studies for a browser to look at: finished, running, failed, empty of trials, large, and one with hostile texts."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from search.analysis import matters
from search.validation import normalize
from storage import leases, outcomes, study_rows, trial_rows, trials
from storage.records import Measured, Moment, Outcome, PlannedTrial, Reason, Role, StudyState, TrialState
from tests.app.scenes import DIGIT, PARITY, Bench, definition, outcome, planned

FINISHED, RUNNING, FAILED, QUEUED, LARGE, HOSTILE = "finished", "running", "failed", "queued", "large", "hostile"
SEEDS = (1, 2, 3, 4, 5)
MARKUP = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


def accuracies(weight: float, seed: int = 0) -> tuple[float, float]:
    """Return what a weight of parity gives: digit suffers from a high one, parity from a low one."""
    turned = math.log10(weight)
    noise = random.Random(f"{weight} {seed}").gauss(0, 0.003)
    return 0.96 - 0.02 * max(turned, 0) ** 2 + noise, 0.93 - 0.03 * (turned - 0.5) ** 2 + noise


def end_of(number: int, weight: float, seed: int = 0) -> Outcome:
    digit, parity = accuracies(weight, seed)
    values = {DIGIT: digit, PARITY: parity}
    losses = {"digit.crossentropy": 1 - digit, "parity.crossentropy": 1 - parity, "agreement": 0.1}
    everything = {**losses, **values, "agreement.violations": 0.1}
    measured = {Moment.LAST: Measured(train=losses, validation=everything, test=everything)}
    return outcome(number, (digit + parity) / 2, values=values, measured=measured)


def weighing(weight: float, role: Role = Role.SEARCH, rule: str | None = None) -> PlannedTrial:
    drawn = {"parity.crossentropy": weight, "agreement": 0.5}
    return replace(planned(0, role, rule), parameters=drawn, weights={"digit.crossentropy": 1.0, **drawn})


def add(bench: Bench, name: str, plans: Sequence[PlannedTrial]) -> list[int]:
    with bench.database.writing() as session:
        study = study_rows.lock_study(session, study_rows.get_study(session, name).id)
        added = trials.add_trials(session, study, plans, beside=(), now=bench.database.now(session))
    return [trial.number for trial in added]


def finished(bench: Bench, name: str = FINISHED) -> None:
    """Play a study to its end: two baselines, twenty search trials, the best two and both baselines on five fresh seeds."""
    bench.submit(name=name, search={**definition()["search"], "confirmation": {"top": 2, "seeds": len(SEEDS)}, "trials": 20})
    bench.plan(0, name)
    weights = [0.02, 1.0, *(10 ** (-1.5 + 3 * place / 19) for place in range(20))]
    rules = ["current", "equal", *([None] * 20)]
    numbers = add(
        bench,
        name,
        [weighing(weight, Role.BASELINE if rule else Role.SEARCH, rule) for weight, rule in zip(weights, rules, strict=True)],
    )
    token = bench.start(name=name)
    bench.report(token, numbers, last=4)
    bench.end(token, [end_of(number, weight) for number, weight in zip(numbers, weights, strict=True)])
    best = sorted(numbers[2:], key=lambda number: -sum(accuracies(weights[number])))[:2]
    again = [(trial, seed) for trial in (0, 1, *best) for seed in SEEDS]
    plans = [replace(weighing(weights[trial], Role.CONFIRMATION, rules[trial]), confirms=trial, seed=seed) for trial, seed in again]
    repeated = add(bench, name, plans)
    bench.end(
        bench.start(name=name),
        [end_of(number, weights[trial], seed) for number, (trial, seed) in zip(repeated, again, strict=True)],
    )
    bench.ended(StudyState.COMPLETE, name)
    with bench.database.writing() as session:
        study = study_rows.lock_study(session, study_rows.get_study(session, name).id)
        restored = normalize.from_storage(study.definition, trials=study.trial_budget, name=study.name)
        material = matters.read(session, study, restored)
        matters.keep(session, material, matters.worked_out(material), bench.database.now(session))


def running(bench: Bench, name: str = RUNNING) -> str:
    """Leave a study in the middle: five trials are complete, one has diverged, three are in training; gives their lease's token."""
    bench.submit(name=name)
    bench.trained([0.5, 0.625, 0.75, 0.6875, math.nan], name)
    bench.plan(1, name)
    token = bench.start(name=name)
    reason = Reason("diverged", "parity.crossentropy became NaN in epoch 2")
    bench.end(token, [outcome(5, None, state=TrialState.DIVERGED, reason=reason)])
    bench.plan(3, name)
    token = bench.start(name=name)
    bench.report(token, [6, 7, 8], last=2)
    return str(token)


def failed(bench: Bench, name: str = FAILED) -> None:
    bench.submit(name=name)
    bench.ended(StudyState.FAILED, name, Reason("raised", "FileNotFoundError: no rows.npz", "workload.options.path"))


def hostile(bench: Bench, name: str = HOSTILE) -> None:
    """Submit a study whose every free text is markup, and let it fail with markup."""
    bench.submit(name=name, description=MARKUP, labels={"<b>team</b>": MARKUP})
    bench.trained([0.5, 0.75], name)
    bench.ended(StudyState.FAILED, name, Reason("raised", MARKUP, MARKUP))


def large(bench: Bench, count: int, name: str = LARGE) -> None:
    """Write a study of many complete search trials, a thousand at a time."""
    bench.submit(name=name, search={**definition()["search"], "trials": count})
    bench.plan(0, name)
    draw = random.Random(0)
    for start in range(0, count, 1000):
        weights = [10 ** draw.uniform(-2, 2) for _ in range(min(1000, count - start))]
        numbers = add(bench, name, [weighing(weight) for weight in weights])
        worker = bench.worker()
        with bench.database.writing() as session:
            now = bench.database.now(session)
            study = study_rows.lock_study(session, study_rows.get_study(session, name).id)
            waiting = [trial for trial in trial_rows.waiting_trials(session, study.id) if trial.number >= start]
            lease = leases.acquire(session, study.id, worker, leases.COHORT, 60.0, now)
            trials.start_cohort(session, study, waiting, lease, engine="serial", worker="w1", now=now)
            ends = [end_of(number, weight, number) for number, weight in zip(numbers, weights, strict=True)]
            outcomes.record_outcomes(session, lease.token, ends, now)
            leases.complete(session, lease.token, now)
