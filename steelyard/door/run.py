"""One call of `steelyard.search` on its way: from what it asks for to its study, and to the study's result."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.door.refusals import all_refused, refused
from steelyard.errors import DefinitionRefused, Fault, NotFound, ProblemError, TrainingError, ValidationError

if TYPE_CHECKING:
    from steelyard.client import Client
    from steelyard.door.call import SearchCall
    from steelyard.door.local import OwnWorkers
    from steelyard.door.result import Result

POLL_SECONDS = 5.0
REGISTER_SECONDS = 120.0


@dataclass(frozen=True)
class Plan:
    """What a call would do; nothing was stored or trained. `seconds` is None where nothing like it has been trained before."""

    definition: Mapping[str, Any]
    phases: Mapping[str, int]
    trainings: int
    seconds: float | None
    warnings: tuple[str, ...]


Say = Callable[[str], None]


def speaker(verbose: Any) -> Say:
    """Return what prints the call's sentences: nothing where `verbose` is 0."""
    if verbose in (0, False):
        return lambda text: None
    return lambda text: print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def refusals(tasks: Sequence[Mapping[str, Any]] = ()) -> Iterator[None]:
    """Turn what the rooms below refuse into ValidationError. tasks: those of the call, as far as they are known."""
    from search.errors import InvalidDefinition, PreflightError
    from steelyard.door.checked import refusal_text

    try:
        yield
    except PreflightError as error:
        raise refused(*refusal_text(error, tasks)) from error
    except InvalidDefinition as error:
        raise all_refused(Fault(each.path, each.expected, each.got, each.did_you_mean) for each in error.faults) from None
    except DefinitionRefused as error:
        raise all_refused(error.errors) from None


def gone_on(name: str, call: SearchCall, change: Callable[[Client], Any]) -> Result:
    """Change the study of an earlier call of this process, and return its result once all is trained.

    Raises ValidationError where the call's rows, or what it keeps of the model, have changed since.
    """
    from steelyard.door.call import changed_since

    if changed := changed_since(call):
        raise refused(changed[0], f"its {' and '.join(changed)} changed since the call: call steelyard.search again")
    waiting = replace(call, arguments={**call.arguments, "wait": True})
    return CallRun(waiting, speaker(call.arguments["verbose"])).go_on(name, change)


class CallRun:
    """One call on its way: from what it asks for to its result."""

    def __init__(self, call: SearchCall, say: Say) -> None:
        from steelyard.door import cache

        self._call, self._say = call, say
        self._arguments = call.arguments
        self._cache = cache.cache_folder()
        self._folder: Path | None = None

    def go(self) -> Result | Plan:
        """Do it all."""
        from steelyard.client import Client

        if self._arguments["dry_run"]:
            return self._plan()
        url = self._service()
        with Client(url) as client:
            name, found = self._place(client)
            if found is not None and self._wants_more(found):
                found = client.extend(name, self._arguments["trials"])
                self._say(f"goes on to {self._arguments['trials']} search trials")
            if found is not None and found["state"] == "COMPLETE" and self._wider(client, name)[0] is None:
                return self._result(client, name)
            return self._train(client, url, name, found)

    def go_on(self, name: str, change: Callable[[Client], Any]) -> Result:
        """Change the call's study, and train what there is then."""
        from steelyard.client import Client

        url = self._service()
        with Client(url) as client:
            found = change(client)
            return self._result(client, name) if found["state"] == "COMPLETE" else self._train(client, url, name, found)

    def _wants_more(self, found: Mapping[str, Any]) -> bool:
        """Return whether the call asks for more search trials than the study has."""
        return int(self._arguments["trials"] or 0) > int(found["definition"]["search"]["trials"])

    # Which study it is

    def _service(self) -> str:
        """Return the service that keeps the records, and bring the local database up to date."""
        from steelyard.door.local import local_service

        url = self._arguments["url"]
        if url is None:
            return local_service(self._cache)
        if not os.environ.get("STEELYARD_DATABASE_URL"):
            text = "with url= the training happens here and needs the service's database: set STEELYARD_DATABASE_URL"
            raise refused("url", text)
        return str(url)

    def _database_url(self) -> str:
        from steelyard.door.cache import local_database_url

        if self._arguments["url"] is not None:
            return os.environ["STEELYARD_DATABASE_URL"]
        return local_database_url(self._cache)

    def _place(self, client: Client) -> tuple[str, Any]:
        """Return the name of the call's study, and the study where it is there already. Says which, and why."""
        from steelyard.door import cache, identity
        from steelyard.formatting import done

        parts, asked = self._call.parts, self._arguments["if_exists"]
        usual = identity.study_name(self._call.names.outputs, parts)
        wanted = self._arguments["name"] or usual
        known = cache.remembered(self._cache, wanted)
        found = _find(client, wanted)
        if found is not None and (known is None or known["parts"] != dict(parts)):
            if asked == "error":
                raise refused("name", f"there is a study {wanted!r} already, and if_exists is 'error'")
            wanted, found = f"{wanted[:50]}-{identity.digest_of(dict(parts))[:8]}", None
            found, known = _find(client, wanted), cache.remembered(self._cache, wanted) or known
        if found is not None and known is not None and (wider := _find(client, known.get("widened", ""))) is not None:
            wanted, found = known["widened"], wider
        if found is None:
            self._say(self._why_new(known))
            return wanted, None
        if asked == "error":
            raise refused("name", f"there is a study {wanted!r} already, and if_exists is 'error'")
        if asked == "new":
            number = next(i for i in range(2, 10_000) if _find(client, f"{wanted[:56]}-{i}") is None)
            self._say("new, because if_exists is 'new'")
            return f"{wanted[:56]}-{number}", None
        self._say(f"resumed {wanted}, {done(found)} of {found['progress']['planned']}")
        return wanted, found

    def _why_new(self, known: Mapping[str, Any] | None) -> str:
        from steelyard.door import cache, identity

        outputs = list(self._call.names.outputs)
        here = (each for each in cache.remembered_calls(self._cache) if each["outputs"] == outputs and each["cwd"] == os.getcwd())
        before = known if known is not None and known["parts"] != dict(self._call.parts) else next(here, None)
        if before is None:
            return "new study"
        changed = [part for part in identity.changed_parts(before["parts"], self._call.parts) if part != "terms"]
        if {"model", "data"} <= set(changed):
            return "new study"
        return f"new, because: {', '.join(changed).replace('_', ' ')} changed" if changed else "new: its study was deleted"

    # What is trained

    def _written(self) -> Path:
        from steelyard.door import cache
        from steelyard.door.call import large_functions, write_folder

        if self._folder is None:
            self._folder = cache.new_run_folder(self._cache)
            with refusals():
                write_folder(self._call, self._folder)
            for warning in (*large_functions(self._folder), *_gpu_warning()):
                self._say(f"warning: {warning}")
        return self._folder

    def _definition(self, name: str | None) -> tuple[dict[str, Any], list[str], tuple[str, ...]]:
        """Return the study's definition, what should be said of it, and the paths whose ranges are default ones."""
        from steelyard.door.compose import composed

        with refusals(self._call.tasks.documents):
            return composed(self._call, self._written(), name)

    def _plan(self) -> Plan:
        from search.planning.phases import phases
        from steelyard.door.compose import normalised

        try:
            document, notes, _ = self._definition(self._arguments["name"])
            with refusals():
                normal = normalised(self._call, document)
        finally:
            self._sweep()
        counts = {role.value: count for role, count in phases(normal.definition).items()}
        return Plan(document, counts, sum(counts.values()), None, (*self._call.notes, *notes, *normal.warnings))

    def _train(self, client: Client, url: str, name: str, found: Any) -> Result:
        from steelyard.door import cache
        from steelyard.door.local import OwnWorkers, end_with_this_process

        owned: OwnWorkers | None = None
        keeps = False
        try:
            document: dict[str, Any] | None = None
            default: tuple[str, ...] = ()
            if found is None:
                document, notes, default = self._definition(name)
                for note in (*self._call.notes, *notes):
                    self._say(note)
            folder = self._written()
            owned = OwnWorkers(self._database_url(), self._call.workload, folder, self._arguments["workers"])
            owned.start()
            if document is not None:
                study = self._submitted(client, document, owned)
                cache.remember(self._cache, study["name"], self._memory(study["name"], default))
                self._announce(study)
            elif found is not None and found["state"] == "PAUSED":
                client.resume(name)
            elif found is not None and found["ended"] and found["state"] != "COMPLETE":
                client.retry(name)
            if not self._arguments["wait"]:
                keeps = True
                end_with_this_process(owned)
                return self._result(client, name)
            self._wait(client, name, owned)
            return self._result(client, self._widen(client, name, owned))
        except KeyboardInterrupt:
            self._say(f"interrupted; the same call goes on with {name}")
            raise
        finally:
            if not keeps:
                if owned is not None:
                    owned.end()
                self._sweep()

    def _wider(self, client: Client, name: str) -> tuple[dict[str, Any] | None, list[str]]:
        """Return the study's definition with wider default ranges, and why; None where the winner does not ask for it."""
        from steelyard.door import cache
        from steelyard.door.widening import widened

        default = (cache.remembered(self._cache, name) or {}).get("default_ranges")
        if not default:
            return None, []
        try:
            best = client.best(name)
        except ProblemError:  # no trial keeps the constraints, or a front has no one winner
            return None, []
        return widened(client.get(name)["definition"], best, default)

    def _widen(self, client: Client, name: str, owned: OwnWorkers) -> str:
        """Search once more in wider default ranges where the winner lies at an edge; return the name of the study that counts."""
        from steelyard.door import cache

        document, why = self._wider(client, name)
        if document is None:
            return name
        for sentence in why:
            self._say(sentence)
        wide = f"{name[:59]}-wide"
        study = self._submitted(client, {**document, "name": wide}, owned)
        cache.remember(self._cache, wide, self._memory(wide, ()))
        before = cache.remembered(self._cache, name) or {}
        cache.remember(self._cache, name, {**before, "default_ranges": [], "widened": wide})
        self._announce(study)
        self._wait(client, wide, owned)
        return wide

    def _sweep(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _submitted(self, client: Client, document: Mapping[str, Any], owned: Any) -> Any:
        """Submit the study as soon as a worker has registered the call's workload."""
        deadline = time.monotonic() + REGISTER_SECONDS
        while not any(self._call.workload in each["workloads"] and each["alive"] for each in client.workers()):
            ended = owned.ended_early()
            if ended is not None or time.monotonic() > deadline:
                raise TrainingError(str(document["name"]), "FAILED", f"its worker did not start:\n{ended or owned.log()}")
            time.sleep(0.1)
        with refusals():
            return client.submit(document)

    def _memory(self, name: str, default: Sequence[str]) -> dict[str, Any]:
        """Return what is written down of the call beside its study: digests and names, no data."""
        rows = self._call.splits
        return {
            "study": name,
            "parts": dict(self._call.parts),
            "outputs": list(self._call.names.outputs),
            "compile_outputs": list(self._call.names.compile_outputs),
            "loss_form": self._call.loss_form,
            "own_losses": sorted(self._call.own["losses"]),
            "weighted": sorted({key for part in rows.values() for key in part.weights}),
            "default_ranges": list(default),
            "cwd": os.getcwd(),
            "local": self._arguments["url"] is None,
        }

    def _announce(self, study: Mapping[str, Any]) -> None:
        """Say what the study costs, as the service does, and how to see it."""
        from steelyard.formatting import UNPUBLISHED

        self._say(study["cost"])
        if self._arguments["url"] is None:
            self._say(f"see it: steelyard open {study['name']}")
        for warning in study["warnings"]:
            if not warning.startswith(UNPUBLISHED):
                self._say(f"warning: {warning}")

    # Waiting

    def _wait(self, client: Client, name: str, owned: Any) -> None:
        """Wait for the study's end with a progress bar. Raises TrainingError where it fails, or where all workers end."""
        from steelyard.door.waiting import progress_shown

        with progress_shown(self._arguments["verbose"]) as seen, client.following(name, every_seconds=1.0) as watch:
            while True:
                if (study := watch.next(POLL_SECONDS)) is not None:
                    seen(study)
                if watch.seen["ended"]:
                    break
                if (log := owned.ended_early()) is not None:
                    raise TrainingError(name, "FAILED", f"its worker ended:\n{log}")
        if watch.seen["state"] in ("FAILED", "CANCELLED"):
            raise _failure(watch.seen)

    def _result(self, client: Client, name: str) -> Result:
        from steelyard.door.result import Result

        return Result(name, client.base_url, self._memory_of(name), self._call)

    def _memory_of(self, name: str) -> dict[str, Any]:
        """Return what was written down of the study, with the names of this call's model."""
        from steelyard.door import cache

        known = cache.remembered(self._cache, name) or self._memory(name, ())
        here = {"compile_outputs": list(self._call.names.compile_outputs), "loss_form": self._call.loss_form}
        return {**known, **here, "local": self._arguments["url"] is None}


def _find(client: Client, name: str) -> Any:
    try:
        return client.get(name)
    except NotFound:
        return None


def _failure(study: Mapping[str, Any]) -> Exception:
    """Return the error of a study that ended without a result: what its preflight refused was wrong in the call."""
    from steelyard.formatting import because

    reason = study["reason"] or {}
    if reason.get("at") and not any(study["progress"]["trials"].values()):
        return ValidationError([Fault(str(reason["at"]), str(reason["message"]), "")])
    return TrainingError(study["name"], study["state"], because(reason) or "no reason is known")


def _gpu_warning() -> list[str]:
    """Return a warning where this process holds the GPU that the training needs."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU") or os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH", "").lower() == "true":
        return []
    return ["this process may hold the GPU's memory: set TF_FORCE_GPU_ALLOW_GROWTH=true before importing TensorFlow"]
