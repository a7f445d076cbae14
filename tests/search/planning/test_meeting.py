"""Choose on two seeds, then meet on seeds that chose nothing: who is trained on what, and when it stops."""

from __future__ import annotations

import pytest

from search.definition.schema import Objective
from search.planning.looks import Judgement
from search.planning.meeting import MeetingEnd, Trained, meet
from storage.records import Measured, Role
from tests.search.histories import trial
from tests.search.meetings import OBJECTIVE, Candidate, candidate, design, met

FLAT = [0.5, 0.52, 0.48, 0.51, 0.49, 0.5]


def planned(candidates: list[Candidate], done: set[tuple[int, int]], choosing: int = 2, seeds: int = 6) -> set[tuple[int, int]]:
    """Return what is due once `done` has been trained."""
    measured = [Candidate(each.trial, {s: m for s, m in each.measured.items() if (each.number, s) in done}) for each in candidates]
    return set(meet(OBJECTIVE, design(seeds, choosing), Trained(measured, done)).due)


def field() -> list[Candidate]:
    baselines = [candidate(number, [mean + 0.1 for mean in FLAT], rule=rule) for number, rule in enumerate(["equal", "current"])]
    worst = candidate(2, [mean - 0.3 for mean in FLAT], rule="dwa")
    return [*baselines, worst, candidate(5, FLAT), candidate(6, [mean + 0.2 for mean in FLAT])]


def test_finalists_and_baselines_train_on_two_seeds_first() -> None:
    assert planned(field(), set()) == {(number, seed) for number in (0, 1, 2, 5, 6) for seed in (0, 1)}


def test_two_baselines_need_no_choice() -> None:
    few = [each for each in field() if each.number != 2]
    assert planned(few, set()) == {(number, seed) for number in (5, 6) for seed in (0, 1)}


def test_the_best_finalist_then_meets_the_two_best_baselines_on_further_seeds_up_to_the_first_look() -> None:
    chosen = {(number, seed) for number in (0, 1, 2, 5, 6) for seed in (0, 1)}
    assert planned(field(), chosen, seeds=8) == {(number, seed) for number in (0, 1, 6) for seed in (2, 3, 4, 5)}


def test_one_finalist_meets_all_baselines_at_once() -> None:
    assert planned([each for each in field() if each.number != 5], set(), choosing=0, seeds=3) == {
        (number, seed) for number in (0, 1, 2, 6) for seed in (0, 1, 2)
    }


def test_nothing_more_is_due_while_what_decides_is_trained() -> None:
    running = {(number, seed) for number in (0, 1, 2, 5, 6) for seed in (0, 1)}
    blank = [Candidate(each.trial, {}) for each in field()]
    found = meet(OBJECTIVE, design(6, 2), Trained(blank, running, running))
    assert (found.due, found.winner, found.stop) == ((), None, None)


def test_the_winner_is_the_best_on_the_seeds_that_choose_alone() -> None:
    luckier_later = candidate(5, [0.5, 0.5, 0.99, 0.99, 0.99, 0.99])
    found = met([luckier_later, candidate(6, [0.6, 0.6, 0.1, 0.1, 0.1, 0.1])], seeds=6, choosing=2)
    assert found.winner is not None
    assert found.winner.number == 6


def test_a_finalist_that_failed_on_a_seed_does_not_win() -> None:
    found = met([candidate(1, [0.9, None, 0.9, 0.9]), candidate(2, [0.5, 0.5, 0.5, 0.5])], 4, choosing=2, failed=[(1, 1)])
    assert found.winner is not None
    assert found.winner.number == 2


def test_a_baselines_value_in_the_search_counts_as_one_more_seed() -> None:
    rules = ["equal", "current", "dwa"]
    baselines = [candidate(number, [0.5, 0.5, 0.5], rule=rule) for number, rule in enumerate(rules)]
    values = [0.1, 0.9, 0.8]
    searched = [
        Candidate(trial(each.number, role=Role.BASELINE, rule=each.name, values={"a.accuracy": value}), each.measured)
        for each, value in zip(baselines, values, strict=True)
    ]
    found = met([*searched, candidate(5, [0.6] * 3), candidate(6, [0.5] * 3)], seeds=3, choosing=2)
    assert {rival.name for rival in found.rivals} == {"current", "dwa"}


STEADY = [0.01, -0.01, 0.02, -0.02, 0.01, -0.01, 0.02, -0.02, 0.01, -0.01, 0.02, -0.02]


def against(gap: float, seeds: int = 12, noise: float = 1.0) -> list[Candidate]:
    """Return a finalist that leads equal weights by `gap` on average."""
    wide = [0.5 + noise * each for each in [0.0, 0.01, -0.01] * 4]
    return [
        candidate(0, wide[:seeds], rule="equal"),
        candidate(5, [w + gap + noise * s for w, s in zip(wide, STEADY, strict=True)]),
    ]


def test_a_great_lead_stops_the_meeting_at_the_first_look() -> None:
    found = met(against(5.0), seeds=12)
    assert (found.stop, [look.after for look in found.looks], found.looks[-1].call) == (MeetingEnd.DECIDED, [4], Judgement.BETTER)


def test_a_lead_that_is_clear_later_is_looked_at_again() -> None:
    found = met(against(0.03), seeds=12)
    assert [look.after for look in found.looks] == [4, 8]
    assert [look.call for look in found.looks] == [Judgement.NOT_ENOUGH, Judgement.BETTER]


def test_what_is_worse_is_called_so() -> None:
    found = met(against(-5.0), seeds=12)
    assert (found.stop, found.looks[-1].call) == (MeetingEnd.DECIDED, Judgement.WORSE)


def test_a_meeting_in_which_no_call_has_a_chance_stops() -> None:
    # the seeds' own spread is far smaller than the differences', so that being as good cannot be shown
    zigzag = [1.0, -1.0] * 6
    both = [candidate(0, [z + 0.25 * (i % 3 == 0) for i, z in enumerate(zigzag)], rule="equal"), candidate(5, [-z for z in zigzag])]
    found = met(both, seeds=12)
    assert (found.stop, found.looks[-1].after, found.looks[-1].call) == (MeetingEnd.FUTILE, 4, Judgement.NOT_ENOUGH)


def test_a_baseline_that_is_beaten_trains_no_further() -> None:
    beaten = candidate(1, [-5.0 + each for each in STEADY[:4]], rule="current")
    found = met([*against(0.005), beaten], seeds=12)
    looks = [(look.against, look.after) for look in found.looks]
    assert looks.count(("current", 4)) == 1
    assert all(name == "equal" for name, after in looks if after > 4)
    assert found.due == ()


def test_the_looks_spend_the_errors_of_their_shares_of_the_planned_seeds() -> None:
    found = met(against(0.005), seeds=12)
    assert [look.share for look in found.looks] == pytest.approx([look.after / 12 for look in found.looks])
    assert sum(look.error for look in found.looks) <= 0.025 + 1e-12


def test_without_a_baseline_the_winner_trains_on_all_seeds() -> None:
    assert planned([candidate(5, FLAT), candidate(6, FLAT)], {(5, 0), (5, 1), (6, 0), (6, 1)}, seeds=6) == {
        (5, seed) for seed in (2, 3, 4, 5)
    }


def test_references_train_on_the_first_seeds_beside_the_candidates() -> None:
    alone = Candidate(trial(3, role=Role.REFERENCE, rule="alone:a"), {seed: Measured() for seed in range(6)})
    assert {each for each in planned([*field(), alone], set()) if each[0] == 3} == {(3, 0), (3, 1)}
    chosen = {(number, seed) for number in (0, 1, 2, 3, 5, 6) for seed in (0, 1)}
    assert {each for each in planned([*field(), alone], chosen, seeds=8) if each[0] == 3} == {(3, 2), (3, 3)}


BOUNDED = Objective.model_validate(
    {
        "metrics": [
            {"metric": "a.accuracy", "direction": "maximize"},
            {"metric": "b.accuracy", "direction": "maximize", "strategy": "constraint", "at_least": 0.4},
        ]
    }
)


def bounded(number: int, value: float, kept: float, rule: str | None = None) -> Candidate:
    """Return a candidate on 12 seeds whose accuracies differ a little by seed."""
    own = trial(number, role=Role.BASELINE if rule else Role.SEARCH, rule=rule)
    moves = [0.01 * (seed % 3 - 1) for seed in range(12)]
    return Candidate(own, {s: Measured(validation={"a.accuracy": value + m, "b.accuracy": kept - m}) for s, m in enumerate(moves)})


def test_a_rival_that_leads_and_surely_breaks_a_constraint_stops_nothing_and_trains_no_further() -> None:
    cheat, fair = bounded(0, 0.95, 0.1, "equal"), bounded(1, 0.7005, 0.5, "dwa")
    found = met([bounded(5, 0.7, 0.5), cheat, fair], 12, objective=BOUNDED)
    assert [look.after for look in found.looks if look.against == "equal"] == [4]
    assert found.last("dwa") is not None
    assert found.stop is not None


def test_a_winner_that_surely_breaks_a_constraint_which_a_rival_keeps_has_lost() -> None:
    found = met([bounded(5, 0.9, 0.1), bounded(0, 0.9, 0.7, "equal")], 12, objective=BOUNDED)
    assert (found.stop, [look.after for look in found.looks]) == (MeetingEnd.DECIDED, [4])


def test_a_beaten_rival_trains_on_while_the_winner_breaks_a_constraint_perhaps_by_chance() -> None:
    found = met([bounded(5, 0.9, 0.395), bounded(0, 0.5, 0.5, "equal")], 12, objective=BOUNDED)
    assert found.looks[0].call is Judgement.BETTER
    assert (found.stop, [look.after for look in found.looks]) == (MeetingEnd.SEEDS, [4, 8, 12])


def test_a_rival_that_was_beaten_earlier_comes_back_where_only_it_keeps_what_the_winner_breaks() -> None:
    winner, fair, cheat = bounded(5, 0.9, 0.4), bounded(0, 0.5, 0.5, "equal"), bounded(1, 0.7, 0.39, "dwa")
    for seed in range(12):  # the winner's luck turns after the first look; the other's value goes up and down beside it
        winner.measured[seed].validation["b.accuracy"] += 0.05 if seed < 4 else -0.06 * (seed % 2)
        cheat.measured[seed].validation["a.accuracy"] += 0.2 * (-1) ** seed
    found = met([winner, fair, cheat], 12, objective=BOUNDED)
    assert [look.after for look in found.looks if look.against == "equal"] == [4]
    for seed in range(4, 12):
        winner.measured[seed].validation["b.accuracy"] -= 0.04
    found = met([winner, fair, cheat], 12, objective=BOUNDED)
    assert [look.after for look in found.looks if look.against == "equal"] == [4, 12]
