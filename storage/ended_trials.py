"""Trials that have ended, as they were read before: nobody trains them again, so a worker that plans need not read them anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from threading import Lock

from sqlalchemy import Row

from storage.models import TRIALS
from storage.records import TrialRecord

MOST = 2_000
"""Kept trials, those that were asked for last: some four studies' histories."""

T = TRIALS.c
VERSION = (
    *(T.id, T.study_id, T.number, T.state, T.sequence, T.best_epoch, T.value, T.value_not_finite, T.feasible),
    *(T.created_at, T.ended_at),
)
"""What shows whether a trial that has ended is as it was read.

A retry takes its place among the outcomes away, and a later end gives it another. Its numbers change once more when it can be
scored: `feasible` is null before. An id may come again where a study was deleted, but not with its study and times.
"""


class EndedTrials:
    """Records of ended trials by id, for one database. What does not have the version that is stored now is not given.

    Threads may share it: one that plans may be left to itself while the next begins.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._lock = most, Lock()
        self._kept: OrderedDict[int, tuple[tuple[object, ...], TrialRecord]] = OrderedDict()

    def find(self, versions: Iterable[Row[*tuple[object, ...]]]) -> dict[int, TrialRecord]:
        """Return the kept records of rows of the columns `VERSION`, by id; those that are not kept so are left out."""
        found = {}
        with self._lock:
            for version in versions:
                trial_id = int(str(version[0]))
                kept = self._kept.get(trial_id)
                if kept is not None and kept[0] == tuple(version):
                    found[trial_id] = kept[1]
                    self._kept.move_to_end(trial_id)
        return found

    def keep(self, versions: Iterable[Row[*tuple[object, ...]]], records: Collection[TrialRecord]) -> None:
        """Keep those of the records that have ended; `versions` are their rows of the columns `VERSION`, read at the same time."""
        by_id = {record.id: record for record in records if record.ended}
        with self._lock:
            for version in versions:
                record = by_id.get(int(str(version[0])))
                if record is not None:
                    self._kept[record.id] = (tuple(version), record)
                    self._kept.move_to_end(record.id)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
