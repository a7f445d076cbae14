"""A study that is judged against its references: what ended before they were in is scored once they are. On both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from search.training.interface import EpochReport
from search.worker.claim import Claim
from search.worker.cohort_run import CohortRun
from search.worker.lease_keeper import Holding
from storage import derived
from storage.curves import measured
from storage.records import Moment, Role, StudyState
from tests.search.worker.test_worker import PREPARED, TRAINED, Scene, ended

DELTA = {"aggregate": "delta_m"}
DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    made = Scene(database_url, DELTA, references={"seeds": 1}, trials=2, baselines=["equal"])
    yield made
    made.close()


def epoch(number: int, accuracies: dict[int, float]) -> EpochReport:
    """Report an epoch in which both accuracies of a trial are the same."""
    count, values = len(accuracies), list(accuracies.values())
    terms = {path: [0.5] * count for path in ("digit.crossentropy", "parity.crossentropy", "agreement")}
    validation = {**terms, DIGIT: values, PARITY: values, "agreement.violations": [0.0] * count}
    return EpochReport(number, list(accuracies), 0.1, terms, validation)


def play_cohort(scene: Scene, accuracies: dict[int, float]) -> None:
    scene.play([epoch(0, dict.fromkeys(accuracies, 0.1)), epoch(10, accuracies)], [*map(ended, accuracies), TRAINED])


def test_start_up_trials_are_trained_beside_the_references_and_scored_after_them(scene: Scene) -> None:
    scene.play([PREPARED])
    play_cohort(scene, {0: 0.6, 1: 0.4, 2: 0.8, 3: 0.8})  # `current`, `equal`, two references
    roles = [trial.role for trial in scene.trials()]
    assert roles == [Role.BASELINE, Role.BASELINE, Role.REFERENCE, Role.REFERENCE]
    assert [trial.value for trial in scene.trials()] == [None] * 4

    play_cohort(scene, {4: 0.88, 5: 0.72})
    values = [trial.value for trial in scene.trials()]
    assert values[2:4] == [None, None]  # a reference is not judged
    assert [*values[:2], *values[4:]] == [pytest.approx(each) for each in (-25.0, -50.0, 10.0, -10.0)]
    assert all(trial.feasible for trial in scene.trials() if trial.role is not Role.REFERENCE)
    assert scene.claim() is None
    assert scene.study().state is StudyState.COMPLETE


def test_anchors_are_kept_with_their_seeds(scene: Scene) -> None:
    scene.play([PREPARED])
    play_cohort(scene, {0: 0.6, 1: 0.4, 2: 0.8, 3: 0.5})
    scene.claim()
    with scene.database.reading() as session:
        found = derived.anchors_of(session, scene.study().id)
    assert [(each.of, each.path, each.value, each.std, each.seeds) for each in found] == [
        ("reference", DIGIT, 0.8, None, (0,)),
        ("reference", PARITY, 0.5, None, (0,)),
    ]


def finish(scene: Scene, work: Claim, accuracies: dict[int, float]) -> None:
    """Record a claimed cohort as its worker does."""
    run = CohortRun(scene.database, work, Holding(scene.database, work.lease, 45.0, lambda: 0.0))
    for message in (epoch(10, accuracies), *map(ended, accuracies), TRAINED):
        run.hear(message)
    assert run.record()


def test_a_trial_that_ends_after_the_anchors_were_kept_is_scored_though_it_was_claimed_before(scene: Scene) -> None:
    scene.play([replace(PREPARED, cohort_size=2)])
    baselines, references = scene.claim(), scene.claim()
    assert references is not None
    assert baselines is not None
    late = scene.claim()  # start-up trials, while nothing can be scored
    assert late is not None
    finish(scene, references, {2: 0.8, 3: 0.8})
    finish(scene, baselines, {0: 0.6, 1: 0.4})
    assert scene.claim() is None  # the anchors are kept now
    assert [trial.value for trial in scene.trials()[:2]] == [pytest.approx(-25.0), pytest.approx(-50.0)]
    finish(scene, late, {4: 0.88, 5: 0.72})
    assert [trial.value for trial in scene.trials()[4:]] == [pytest.approx(10.0), pytest.approx(-10.0)]


def test_with_the_best_epoch_counting_it_is_found_anew_once_there_are_scores(database_url: str) -> None:
    scene = Scene(database_url, {**DELTA, "epoch": "best"}, references={"seeds": 1}, trials=2, baselines=["equal"])
    scene.play([PREPARED])
    accuracies = {0: 0.7, 1: 0.4, 2: 0.8, 3: 0.8}
    scene.play([epoch(5, accuracies), epoch(10, dict.fromkeys(accuracies, 0.3))], [*map(ended, accuracies), TRAINED])
    scene.claim()
    yours = scene.trials()[0]
    assert (yours.best_epoch, yours.value) == (5, pytest.approx(100 * (0.7 - 0.3) / 0.3))  # a reference counts at its last epoch
    with scene.database.reading() as session:
        assert measured(session, yours.id)[Moment.BEST].validation[DIGIT] == 0.7
    scene.close()
