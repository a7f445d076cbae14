"""Search the loss weights of a model from a script or a notebook: everything that `compile` and `fit` take, with their meaning.

    model.compile("adam", loss={...}, metrics={...})
    result = steelyard.search(model, x, y)
    model.compile("adam", loss={...}, loss_weights=result.loss_weights)

A call writes its model and rows into a private folder, starts or finds a service on a local database, runs a worker of its own, and
waits. The same call again finds its study and goes on with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.door.result import Result
    from steelyard.door.run import Plan


def search(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    missing: Any = None,
    extra: Mapping[str, Any] | None = None,
    validation_data: Any = None,
    validation_split: float | None = None,
    test_data: Any = None,
    test_split: float | None = None,
    epochs: int = 10,
    batch_size: int | None = None,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    shuffle: bool = True,
    callbacks: Sequence[Any] = (),
    initial_weights: Any = None,
    optimizer: Any = None,
    loss: Any = None,
    loss_weights: Any = None,
    metrics: Any = None,
    weighted_metrics: Any = None,
    jit_compile: Any = "auto",
    weight_ranges: Mapping[str, Any] | None = None,
    shared_weights: Mapping[str, Any] | None = None,
    penalties: Any = None,
    objective: Any = None,
    trials: int | None = None,
    timeout: float | None = None,
    confirmation: Any = "auto",
    seed: int = 0,
    definition: Mapping[str, Any] | None = None,
    name: str | None = None,
    if_exists: str = "resume",
    url: str | None = None,
    api_key: str | None = None,
    workers: int = 1,
    verbose: Any = "auto",
    wait: bool = True,
    dry_run: bool = False,
) -> Result | Plan:
    """Search the loss weights of a model, and return what to compile it with.

    model: a `keras.Model`, compiled or not, or a function that returns one. x, y, sample_weight, class_weight, epochs, batch_size
    and the rest are as in `fit`; optimizer, loss, loss_weights and metrics as in `compile`, by default those of the compiled
    model, whose loss_weights are "yours" in the comparison. `docs/search.md` explains each argument.

    Raises ValidationError with all faults before anything is trained, TrainingError where the study ends without a result, and
    KeyboardInterrupt when interrupted: the service stays, and the same call goes on where it was.
    """
    arguments = dict(locals())
    from steelyard.door.call import understood
    from steelyard.door.run import CallRun, refusals, speaker

    with refusals():
        call = understood(arguments)
    return CallRun(call, speaker(verbose)).go()


def load(study_or_path: str | os.PathLike[str]) -> Result:
    """Return the result of a study of the local service by its name, or of a file that `Result.save` wrote."""
    from steelyard.door.loading import from_file, from_study

    return from_file(Path(study_or_path)) if Path(study_or_path).is_file() else from_study(str(study_or_path))


def studies() -> list[dict[str, Any]]:
    """Return the studies of the local service, the newest first: name, state, trials done and planned."""
    from steelyard.client import Client
    from steelyard.door.cache import cache_folder
    from steelyard.door.local import local_service
    from steelyard.formatting import done

    with Client(local_service(cache_folder())) as client:
        return [
            {"name": each["name"], "state": each["state"], "done": done(each), "planned": each["progress"]["planned"]}
            for each in client.studies()
        ]
