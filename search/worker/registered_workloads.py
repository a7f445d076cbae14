"""Which workloads a worker can train now, and in which versions: looked up again while it works, for files change."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from search.logs import logger
from search.workloads import registry
from search.workloads.sources import Sources, sources_of
from search.workloads.watched import watched

log = logger("steelyard.worker")

LOOK_SECONDS = 1.0
LOOK_SHARE = 0.05
"""Looking takes no more than this share of a worker's time: many modules are looked at less often."""
MOST_VERSIONS = 500
MOST_BYTES = 32 * 2**20
"""So many versions of a workload are kept, and so many bytes of them: studies that began with an older one go on with it."""

Version = tuple[str, str]
"""A workload's name and the version of its files."""


class RegisteredWorkloads:
    """The workloads by name, with the sources of those that are the user's own files.

    `folder`: the one in which `submit --workload` registers workloads, None to watch none. Raises PreflightError where
    `STEELYARD_WORKLOADS` cannot be read.
    """

    def __init__(self, folder: str | None, clock: Callable[[], float]) -> None:
        self.private = registry.private_workload() is not None
        """This worker serves one call of `steelyard.search`, which reads why it failed from its study."""
        self._folder = None if folder is None or self.private else Path(folder)
        self._clock = clock
        self._named = registry.places()
        self._look_at = -math.inf
        self._current: dict[str, Sources | None] = {}
        self._kept: dict[str, dict[str, Sources]] = {}
        self.faults: Mapping[str, str] = {}
        """Why names of the folder do not count."""
        self.look()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._current)

    @property
    def versions(self) -> dict[str, str]:
        """The current version of each workload that is the user's own files, by name, as far as they are there."""
        return {name: sources.version for name, sources in self._current.items() if sources is not None and sources.modules}

    @property
    def kept(self) -> frozenset[Version]:
        """Every version that this worker can train: the current ones, and earlier ones that it has read."""
        return frozenset((name, version) for name, versions in self._kept.items() for version in versions)

    def sources(self, name: str, version: str | None = None) -> Sources | None:
        """Return the sources of a kept version, else of the current one; None where the workload is not the user's own files."""
        kept = self._kept.get(name, {})
        if version in kept:
            kept[version] = kept.pop(version)  # what is asked for is let go of last
            return kept[version]
        return self._current.get(name)

    def look(self) -> frozenset[str]:
        """Look again, if that is due; return the names that are new, changed or gone."""
        began = self._clock()
        if began < self._look_at:
            return frozenset()
        before = self._stated()
        self._current = {name: self._sources(place) for name, place in self._places().items()}
        for name, sources in self._current.items():
            if sources is not None and sources.modules:
                self._keep(name, sources)
        ended = self._clock()
        self._look_at = began + max(LOOK_SECONDS, (ended - began) / LOOK_SHARE)
        return frozenset(name for name, _ in before ^ self._stated())

    def _stated(self) -> set[tuple[str, str]]:
        return {(name, "" if sources is None else sources.version) for name, sources in self._current.items()}

    def _places(self) -> dict[str, str]:
        if self._folder is None:
            return self._named
        found = watched(self._folder)
        faults = dict(found.faults) | {
            name: f"{name}.json: the name {name!r} is a built-in workload's" for name in found.places if name in registry.BUILT_IN
        }
        for name, fault in faults.items():
            if self.faults.get(name) != fault:
                log.warning("registered workload does not count", workload=name, reason=fault)
        self.faults = faults
        return {**self._named, **{name: place for name, place in found.places.items() if name not in registry.BUILT_IN}}

    def _sources(self, place: str) -> Sources | None:
        if place in registry.BUILT_IN.values() or place == registry.PRIVATE_PLACE:
            return None
        try:
            return sources_of(place)
        except OSError as error:  # a folder that may not be read; loading the workload will say so
            log.warning("workload cannot be read", place=place, error=str(error))
            return Sources(place, {})

    def _keep(self, name: str, sources: Sources) -> None:
        versions = self._kept.setdefault(name, {})
        versions.pop(sources.version, None)
        versions[sources.version] = sources
        size = sum(each.size for each in versions.values())
        while len(versions) > MOST_VERSIONS or (size > MOST_BYTES and len(versions) > 1):
            size -= versions.pop(next(iter(versions))).size
