"""What the child says of an epoch, as JSON, and what its parent makes of it."""

from __future__ import annotations

import json
import math

from search.objective.outcomes import unpacked
from search.training.child.protocol import epoch_message
from search.training.interface import EpochReport
from storage.records import UNDEFINED, Undefined


def test_an_undefined_number_travels_as_null_in_every_split() -> None:
    told = {"b.auc": [0.5, UNDEFINED]}
    message = epoch_message(EpochReport(2, [4, 5], 0.5, told, told, told))
    assert [message[split] for split in ("train", "validation", "test")] == [{"b.auc": [0.5, None]}] * 3


def test_an_undefined_number_arrives_as_one_and_a_nan_as_a_nan() -> None:
    report = EpochReport(2, [4, 5, 6], 0.5, {}, {"b.auc": [UNDEFINED, math.nan, math.inf]})
    arrived = unpacked(json.loads(json.dumps(epoch_message(report))))
    first, second, third = (each.validation["b.auc"] for each in arrived.values())
    assert isinstance(first, Undefined)
    assert math.isnan(second)
    assert not isinstance(second, Undefined)
    assert third == math.inf
