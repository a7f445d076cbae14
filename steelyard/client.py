"""Call a Steelyard service from Python.

client = steelyard.Client()
study = client.submit("examples/digits.json")
client.wait(study)
best = client.best(study)
model = steelyard.apply(build_model(), best)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import quote

from steelyard.connection import Clock, Connection, Retries
from steelyard.definitions import Definition, named, read_definition
from steelyard.documents import BestWeights, ParetoFront, Ranking, Sensitivity, Study, Trial, Validation
from steelyard.errors import BadRequest, NoScript, NotFound, UnexpectedAnswer, WaitTimeout
from steelyard.version import version

if TYPE_CHECKING:
    import httpx

    from steelyard.following import StudyWatch

DEFAULT_URL = "http://127.0.0.1:8765"
LONGEST_HOLD_SECONDS = 60.0
PAGE_SIZE = 200

StudyOrName = str | Study
"""A study by its name, or a snapshot of it."""


class Client:
    """A Steelyard service, as a user of it sees it.

    `base_url` defaults to STEELYARD_URL, else to a service on this machine. Every method raises errors of `steelyard.errors`:
    ServiceUnreachable after the retries, ProblemError for what the service refuses. May be used as a context manager and from
    several threads.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        retries: Retries | None = None,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._longest_hold = LONGEST_HOLD_SECONDS
        self._retries = retries or Retries()
        self._connection = Connection(
            base_url or os.environ.get("STEELYARD_URL") or DEFAULT_URL,
            timeout_seconds=timeout_seconds,
            retries=self._retries,
            clock=self._clock,
            transport=transport,
            agent=f"steelyard/{version()}",
        )

    @property
    def base_url(self) -> str:
        """Where the service is."""
        return self._connection.base_url

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # What is asked for

    def submit(self, definition: Definition, *, name: str | None = None) -> Study:
        """Create the study, or return it where the same name and definition are there already.

        A definition without a name gets one here, before it is sent. Raises DefinitionRefused with all faults at once,
        DefinitionChanged where the name is another study's.
        """
        document = read_definition(definition)
        if name is not None:
            document["name"] = name
        return cast(Study, self._connection.call("POST", "/v1/studies", body=named(document)))

    def validate(self, definition: Definition) -> Validation:
        """Return what the study would be: normalised definition, warnings, number of trainings. Nothing is stored."""
        body = read_definition(definition)
        return cast(Validation, self._connection.call("POST", "/v1/studies", query={"validate_only": "true"}, body=body))

    # What is there

    def get(self, study: StudyOrName) -> Study:
        """Return the study as it is now. Raises NotFound."""
        return self._snapshot(study, 0.0)

    def studies(self, *, state: str | None = None) -> Iterator[Study]:
        """Iterate over all studies, the newest first."""
        return cast(Iterator[Study], self._pages("/v1/studies", "studies", {"state": state}))

    def trials(
        self,
        study: StudyOrName,
        *,
        state: str | None = None,
        role: str | None = None,
        order_by: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[Trial]:
        """Iterate over the study's trials, fetched page by page.

        `order_by` is `number`, `objective` or any metric's path, with `-` in front for descending; what is not finite comes last.
        """
        query = {"state": state, "role": role, "order_by": order_by, "page_size": page_size}
        return cast(Iterator[Trial], self._pages(f"{_at(study)}/trials", "trials", query))

    def trial(self, study: StudyOrName, number: int) -> Trial:
        """Return one trial with its epochs in `intermediate_values`. Raises NotFound."""
        return cast(Trial, self._connection.call("GET", f"{_at(study)}/trials/{int(number)}"))

    def curves(
        self, study: StudyOrName, trials: Iterable[int], *, terms: Iterable[str] | None = None, split: str | None = None
    ) -> dict[str, Any]:
        """Return the epochs of several trials at once, ready to be plotted."""
        query = {"trials": ",".join(str(int(number)) for number in trials), "terms": _listed(terms), "split": split}
        return cast(dict[str, Any], self._connection.call("GET", f"{_at(study)}/curves", query=query))

    def best(self, study: StudyOrName, pick: str | None = None, aggregate: str | None = None) -> BestWeights:
        """Return the best-weights document, also while the study runs (`final` is false then).

        `pick` takes one of the Pareto front: `knee`, `nearest_ideal`, `metric:PATH` or `confirmed`. `aggregate` judges by the same
        metrics under another aggregate, such as `worst`. Raises NoTrialYet, NoFeasibleTrial (`closest` came nearest), SeveralBest
        (say which by `pick`).
        """
        query = {"pick": pick, "aggregate": aggregate}
        return cast(BestWeights, self._connection.call("GET", f"{_at(study)}/best", query=query))

    def script(self, study: StudyOrName, pick: str | None = None, aggregate: str | None = None) -> str:
        """Return the text of a Keras file that trains the best trial again and compares with what the study stated.

        `pick` and `aggregate` are as for `best`. Raises as `best`, and NoScript where no file can train it.
        """
        return script_of(self.best(study, pick, aggregate))

    def rank(self, study: StudyOrName, objective: Mapping[str, Any], top: int = 10) -> Ranking:
        """Return the study's best trials under another objective, from what is stored: nothing is trained, nothing changed.

        `objective` is as in a definition, constraints included. Raises BadRequest with all faults at once.
        """
        body = {"objective": dict(objective), "top": top}
        return cast(Ranking, self._connection.call("POST", f"{_at(study)}/rank", body=body))

    def pareto(self, study: StudyOrName, reference: Mapping[str, float] | None = None) -> ParetoFront:
        """Return the trials that no other beats in every optimised metric, the front's hypervolume, and picks from it.

        `reference` is the hypervolume's reference point, by metric; what it leaves out has the worst value among the trials.
        """
        point = ",".join(f"{path}:{float(value)!r}" for path, value in (reference or {}).items())
        query = {"reference": point or None}
        return cast(ParetoFront, self._connection.call("GET", f"{_at(study)}/pareto", query=query))

    def sensitivity(self, study: StudyOrName) -> Sensitivity:
        """Return how much each searched parameter matters, and which range of it is as good as the winner.

        Raises NoSensitivity where the study did not come to its end, NoSensitivityYet while it has not.
        """
        return cast(Sensitivity, self._connection.call("GET", f"{_at(study)}/sensitivity"))

    def export(self, study: StudyOrName, format: str = "jsonl") -> Iterator[bytes]:  # noqa: A002 - the contract's word
        """Iterate over the bytes of all trials as `jsonl` or `csv`. Raises in the middle where the connection breaks."""
        with self._connection.stream(f"{_at(study)}/export", {"format": format}) as chunks:
            yield from chunks

    def page(self, study: StudyOrName | None = None) -> str:
        """Return the address of the service's page, or of one study on it, for a browser."""
        return self.base_url + ("/" if study is None else _at(study).removeprefix("/v1"))

    def has_page(self) -> bool:
        """Return whether the service shows a page: `serve --no-page` is the API alone."""
        try:
            self._connection.call("GET", "/example.json")
        except NotFound:
            return False
        return True

    def report(self, study: StudyOrName) -> Iterator[bytes]:
        """Iterate over the bytes of an HTML file that shows the study without the service, figures included."""
        with self._connection.stream(f"{_at(study).removeprefix('/v1')}/report.html", {}) as chunks:
            yield from chunks

    def catalog(self) -> dict[str, Any]:
        """Return the losses, metrics, penalties, optimizers and samplers that a definition may name."""
        return cast(dict[str, Any], self._connection.call("GET", "/v1/catalog"))

    def workloads(self) -> list[dict[str, Any]]:
        """List the registered workloads with what workers published of them."""
        return list(self._pages("/v1/workloads", "workloads", {}))

    def workers(self) -> list[dict[str, Any]]:
        """List the workers: whether they are alive, what they work on, their memory and traces."""
        return list(self._pages("/v1/workers", "workers", {}))

    # What is changed

    def patch(
        self,
        study: StudyOrName,
        *,
        trials: int | None = None,
        stop: Mapping[str, float] | None = None,
        confirmation: Mapping[str, Any] | None = None,
        priority: int | None = None,
        labels: Mapping[str, str] | None = None,
        description: str | None = None,
    ) -> Study:
        """Set the budget of search trials, when the search stops early, confirmation, priority, labels or description; None stays.

        A COMPLETE study goes on. `stop` has `after_seconds` or `no_gain`, or neither: then the search never stops early.
        """
        wanted = {"trials": trials, "priority": priority, "labels": labels, "description": description}
        body: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
        if stop is not None:
            body["stop"] = dict(stop) or None
        if confirmation is not None:
            body["confirmation"] = dict(confirmation)
        return cast(Study, self._connection.call("PATCH", _at(study), body=body))

    def extend(self, study: StudyOrName, trials: int) -> Study:
        """Raise the budget to `trials` search trials in all."""
        return self.patch(study, trials=trials)

    def confirm(self, study: StudyOrName, confirmation: Mapping[str, Any] | None = None) -> Study:
        """Repeat the winner of a study without a confirmation on fresh seeds: `{"top": 3, "seeds": 8}`, by default as usual."""
        return self.patch(study, confirmation=dict(confirmation or {}))

    def pause(self, study: StudyOrName) -> Study:
        """Begin no new cohorts until it is resumed."""
        return self._verb(study, "pause")

    def resume(self, study: StudyOrName) -> Study:
        """Go on after a pause."""
        return self._verb(study, "resume")

    def stop(self, study: StudyOrName) -> Study:
        """Let what runs finish, then end as STOPPED."""
        return self._verb(study, "stop")

    def cancel(self, study: StudyOrName) -> Study:
        """End at once, with what runs."""
        return self._verb(study, "cancel")

    def retry(self, study: StudyOrName) -> Study:
        """Run FAILED trials again; a study that failed in its preflight is queued again."""
        return self._verb(study, "retry")

    def delete(self, study: StudyOrName) -> None:
        """Delete an ended study with its trials for good."""
        self._connection.call("DELETE", _at(study), gone_is_done=True)

    # What is waited for

    def watch(self, study: StudyOrName, *, timeout: float | None = None, every_seconds: float = 1.0) -> Iterator[Study]:
        """Iterate over the study's snapshots whenever it has changed, up to the one that has ended.

        Follows the study's stream of events, through a restart of the service too; polls where no stream comes through. Between two
        snapshots are at least `every_seconds`, but a change of the study's state comes at once.
        Stopping the iteration does not touch the study. Raises WaitTimeout after `timeout` seconds.
        """
        started = self._clock.now()
        with self.following(study, every_seconds) as watch:
            left = None
            while (snapshot := watch.next(left)) is not None:
                yield snapshot
                if snapshot["ended"]:
                    return
                left = None if timeout is None else timeout - (self._clock.now() - started)
            assert timeout is not None
            raise WaitTimeout(watch.seen["name"], timeout, watch.seen["state"])

    def following(self, study: StudyOrName, every_seconds: float) -> StudyWatch:
        """Return what looks at the study whenever something happens to it, to be used as a context manager."""
        from steelyard.following import EventFeed, StudyWatch

        feed = EventFeed(self._connection, f"{_at(study)}/events", self._retries)
        return StudyWatch(lambda hold: self._snapshot(study, hold), feed, self._clock, every_seconds, self._rest_seconds)

    def _rest_seconds(self) -> float:
        """Return the longest rest between two looks: what the service holds back, or a second where it holds nothing back."""
        return max(self._longest_hold, 1.0)

    def wait(self, study: StudyOrName, timeout: float | None = None, progress: bool = True) -> Study:
        """Wait for the study's end and return it as it is then, whichever end that is.

        Shows a progress bar where someone sees it: in a terminal or a notebook. Raises WaitTimeout after `timeout` seconds.
        """
        from steelyard.progress import StudyProgress

        shown = StudyProgress.for_people() if progress else None
        every_seconds = 1.0 if shown else LONGEST_HOLD_SECONDS
        snapshots = self.watch(study, timeout=timeout, every_seconds=every_seconds)
        if shown is None:
            return _last(snapshots)
        with shown:
            return _last(map(shown.seen, snapshots))

    def _snapshot(self, study: StudyOrName, hold_seconds: float) -> Study:
        """Return the study; the service answers at its end, or after `hold_seconds`."""
        hold = min(hold_seconds, self._longest_hold)
        query = {"wait": int(hold)} if hold >= 1 else {}  # whole seconds, which services of every version take
        try:
            return cast(Study, self._connection.call("GET", _at(study), query=query, hold_seconds=hold))
        except BadRequest as refused:
            limit = refused.document.get("limit")
            if refused.kind != "bad-parameter" or not isinstance(limit, int | float) or not limit < hold:
                raise
            self._longest_hold = limit  # this service's operator allows less
            return self._snapshot(study, hold_seconds)

    def _verb(self, study: StudyOrName, verb: str) -> Study:
        return cast(Study, self._connection.call("POST", f"{_at(study)}/{verb}"))

    def _pages(self, path: str, key: str, query: Mapping[str, Any]) -> Iterator[Any]:
        token = None
        while True:
            page = self._connection.call("GET", path, query={**query, "page_token": token})
            if not isinstance(page, dict) or not isinstance(page.get(key), list):
                raise UnexpectedAnswer(self.base_url, f"a page without {key!r}")
            yield from page[key]
            token = page.get("next_page_token")
            if not token:
                return


def script_of(best: Mapping[str, Any]) -> str:
    """Return the text of a Keras file that trains what a best-weights document says. Raises NoScript where none can."""
    from search.errors import PreflightError
    from search.export.script import script

    try:
        return script(best)
    except PreflightError as refused:
        raise NoScript(str(refused)) from None


def _at(study: StudyOrName) -> str:
    name = study if isinstance(study, str) else study["name"]
    if not name.strip("."):  # "", "." and "..": not a path segment of its own
        raise NotFound(404, {"detail": f"there is no study {name!r}"})
    return f"/v1/studies/{quote(name, safe='')}"


def _listed(names: Iterable[str] | None) -> str | None:
    return None if names is None else ",".join([names] if isinstance(names, str) else names)


def _last(snapshots: Iterable[Study]) -> Study:
    *_, last = snapshots
    return last
