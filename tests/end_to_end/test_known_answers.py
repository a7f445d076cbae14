"""What a real service answers where the answer is known in closed form: two quadratic losses over one point."""

from __future__ import annotations

import pytest

from search.workloads.quadratics import QuadraticsOptions
from tests.end_to_end.service import Service
from tests.search.known_answers import A, B, document, on_the_front

UNLIKE = {"curvature_a": [0.5, 4.0], "curvature_b": [3.0, 0.7], "centre_a": [-1.0, 2.0], "centre_b": [0.5, -3.0]}


def test_the_points_of_the_pareto_endpoint_lie_on_the_known_front(one_worker: Service) -> None:
    """With a step of 0.005 no curvature is too great (at most 301), and the least (0.53) leaves 0.9974^3000 of the way."""
    objective = {"aggregate": "pareto", "metrics": [{"metric": A}, {"metric": B}]}
    definition = document(UNLIKE, objective=objective, steps=3000, learning_rate=0.005, trials=16, confirmation=None)
    name = one_worker.submit({"name": "known-front", **definition})
    study = one_worker.finished(name)
    assert study["state"] == "COMPLETE", study["reason"]
    front = one_worker.get(f"/v1/studies/{name}/pareto")
    assert len(front["trials"]) == 16
    for trial in front["trials"]:
        values = trial["values"]
        expected = on_the_front(QuadraticsOptions.model_validate(UNLIKE), values[A])
        assert values[B] == pytest.approx(expected, abs=1e-3), trial["weights"]
