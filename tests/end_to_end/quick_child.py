"""A training process without TensorFlow: it says what a real one says, within milliseconds. For tests of what happens around it.

`STEELYARD_TRAINING_BEHAVIOUR` is one of: nothing, `slow` (a tenth of a second an epoch), `hang` (silent once a training has begun),
`daemon` (starts a process that outlives it, and writes its number into the folder `STEELYARD_DATA`; then slow).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from search.processes import die_with_parent, limit_resources
from search.training.child.protocol import (
    Channel,
    ChildReady,
    CohortTrained,
    DescribeWorkloads,
    ExitChild,
    OrderTaken,
    PeerGone,
    PrepareStudy,
    StudyPrepared,
    TrainCohort,
    WorkloadsDescribed,
)
from search.training.interface import Ended, EpochReport
from storage.records import TrialState

EPOCHS = 10
TERMS = ("digit.crossentropy", "parity.crossentropy", "agreement")
METRICS = ("agreement.violations", "digit.sparse_categorical_accuracy", "parity.binary_accuracy")
BEHAVIOUR = os.environ.get("STEELYARD_TRAINING_BEHAVIOUR", "")


def main(descriptor: int) -> None:
    """Answer orders until the parent is gone."""
    die_with_parent()
    limit_resources()
    channel = Channel([descriptor])
    channel.send(ChildReady({}))
    while True:
        match order := channel.receive():
            case DescribeWorkloads():
                channel.send(WorkloadsDescribed([]))
            case PrepareStudy():
                channel.send(OrderTaken())
                channel.send(StudyPrepared(4, "vectorized", 1, "quick"))
            case TrainCohort():
                channel.send(OrderTaken())
                train(channel, order)
            case ExitChild():
                return


def train(channel: Channel, order: TrainCohort) -> None:
    """Report every epoch of a cohort, and its end."""
    if BEHAVIOUR == "hang":
        time.sleep(3600)
    if BEHAVIOUR == "daemon":
        daemon = subprocess.Popen(["sleep", "3600"], start_new_session=True)
        (Path(os.environ["STEELYARD_DATA"]) / "daemon").write_text(str(daemon.pid))
    numbers = [setting.number for setting in order.settings]
    for epoch in range(EPOCHS + 1):
        values = {path: [1.0 / (number + epoch + 1) for number in numbers] for path in (*TERMS, *METRICS)}
        channel.send(EpochReport(epoch, numbers, 0.01, {path: values[path] for path in TERMS}, values))
        time.sleep(0.1 if BEHAVIOUR else 0.0)
    for number in numbers:
        channel.send(Ended(number, TrialState.COMPLETE, EPOCHS))
    channel.send(CohortTrained(0.1))


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except PeerGone:
        sys.exit(0)
