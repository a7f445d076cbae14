"""The documents of a study as a result reads them: from the service when they are first asked for, or from a saved file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from steelyard.errors import SeveralBest, SteelyardError

if TYPE_CHECKING:
    from steelyard.client import Client
    from steelyard.door.call import SearchCall


def is_front_pick(pick: str | int | None) -> bool:
    """Return whether a pick names a trial of a Pareto front."""
    return isinstance(pick, str) and (pick in ("knee", "nearest_ideal", "confirmed") or pick.startswith("metric:"))


class StudyDocuments:
    """What is stored of a study.

    memory: what was written down of the call. source: the call itself, in its own process. documents: those of a saved
    result, which needs no service. pick: the setting that the result is of, None for the recommended one.
    """

    def __init__(
        self,
        study: str,
        url: str | None,
        memory: Mapping[str, Any],
        source: SearchCall | None = None,
        documents: Mapping[str, Any] | None = None,
        pick: str | int | None = None,
    ) -> None:
        self.study = study
        self._url, self._memory, self._source, self._pick = url, memory, source, pick
        self._documents: dict[str, Any] = dict(documents or {})
        self._saved = documents is not None

    # Documents

    @contextlib.contextmanager
    def _client(self) -> Iterator[Client]:
        if self._saved:
            raise SteelyardError(f"this result was read from a file; steelyard.load({self.study!r}) asks the service")
        from steelyard.client import Client

        with Client(self.url) as client:
            yield client

    @property
    def url(self) -> str:
        """Where the service is; the local one is started again where it has ended."""
        from steelyard.door.cache import cache_folder
        from steelyard.door.local import find_service, local_service

        if self._saved:
            return self._url or ""
        if self._url is None or (self._memory.get("local", True) and find_service(cache_folder()) != self._url):
            self._url = local_service(cache_folder())
        return self._url

    def _document(self, name: str) -> Any:
        """Return a document of the study, kept once the study has ended."""
        if name in self._documents:
            return self._documents[name]
        with self._client() as client:
            study = client.get(self.study)
            reads: dict[str, Callable[[], Any]] = {
                "study": lambda: study,
                self._best_name: lambda: self._best_of(client),
                "trials": lambda: list(client.trials(self.study)),
                "sensitivity": lambda: client.sensitivity(self.study),
            }
            found = self._read(reads[name])
        if study["ended"]:
            self._documents[name] = found
        return found

    def _best_of(self, client: Client) -> Any:
        """Return the best-weights document. Around a trial's number of a front, that of the first pick: the rest is the study's."""
        try:
            return client.best(self.study, pick=str(self._pick) if is_front_pick(self._pick) else None)
        except SeveralBest as error:
            if not isinstance(self._pick, int) or not error.picks:
                raise
            return client.best(self.study, pick=next(iter(error.picks)))

    def _read(self, document: Callable[[], Any]) -> Any:
        """Return a document. Where a front has several best, the refusal says how to pick one of a result."""
        try:
            return document()
        except SeveralBest as error:
            picks = ", ".join(f"result.pick({pick!r})" for pick in error.picks) or "result.pick(...)"
            text = f"study {self.study!r} has a front of best settings, not one: {picks}; result.plot_pareto_front() draws it"
            raise SteelyardError(text) from None

    @property
    def state(self) -> str:
        """The study's state: RUNNING, COMPLETE, ..."""
        return str(self._document("study")["state"])

    @property
    def definition(self) -> dict[str, Any]:
        """The study's definition."""
        return dict(self._document("study")["definition"])

    @property
    def trials(self) -> list[dict[str, Any]]:
        """All trials with their weights and metrics."""
        return list(self._document("trials"))

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The trials that failed or diverged, each with its reason."""
        return [trial for trial in self.trials if trial["state"] in ("FAILED", "DIVERGED")]

    @property
    def _best_name(self) -> str:
        return f"best {self._pick}" if is_front_pick(self._pick) else "best"

    @property
    def _tuned(self) -> Mapping[str, Any]:
        """The best-weights document of the winner; of a front's trial where one was picked."""
        found: Mapping[str, Any] = self._document(self._best_name)
        return found
