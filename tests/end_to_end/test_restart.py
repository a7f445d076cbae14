"""What survives the end of a whole service, and what is the same twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.end_to_end.service import Service, serving, until
from tests.end_to_end.studies import flagship


def short(**search: Any) -> dict[str, Any]:
    definition = flagship(cohort_size=4, **search)
    definition["training"]["epochs"] = 3
    return definition


def _trained(service: Service, name: str) -> list[tuple]:
    return [(t["number"], t["weights"], t["metrics"], t["objective"]["value"]) for t in service.trials(name)]


def test_the_same_study_twice_gives_identical_trials(one_worker: Service) -> None:
    first, second = (one_worker.submit(short(trials=12)) for _ in range(2))
    for name in (first, second):
        assert one_worker.finished(name)["state"] == "COMPLETE"
    assert _trained(one_worker, first) == _trained(one_worker, second)


def test_a_service_that_is_killed_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    with serving(tmp_path, workers=1) as service:
        name = service.submit(short(trials=30))
        until(lambda: service.get(f"/v1/studies/{name}")["progress"]["trials"]["COMPLETE"] >= 2, "some trials are complete")
        done = {trial["number"]: trial for trial in service.trials(name, state="COMPLETE")}
        service.kill()
        service.start()
        study = service.finished(name)
        trials = {trial["number"]: trial for trial in service.trials(name)}
        assert study["state"] == "COMPLETE"
        assert sorted(trials) == list(range(31))
        assert {number: trials[number]["objective"] for number in done} == {n: t["objective"] for n, t in done.items()}
