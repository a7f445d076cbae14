"""Work out what a study waits for: read, compute outside of any lock, and keep, each on its own.

No lease is held: whoever comes next does what a dead worker did not, and two at once keep the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from search.analysis import gain, importance, matters, sensitivity
from search.logs import logger
from search.planning import kept_confirmation
from search.planning.plan import choose_finalists, finalists_by_rank
from search.worker.claim import Analysis, history_of
from storage.database import Database
from storage.errors import StorageError, StudyNotFound

log = logger("steelyard.worker")


def load() -> None:
    """Load what an analysis needs, so that a study's end need not wait for it."""
    import scipy.linalg
    import scipy.special  # noqa: F401

    importance.load()


def work_out(database: Database, analysis: Analysis) -> bool:
    """Work out what a study waits for, and keep it; return False where that failed, which is logged.

    A study that was deleted meanwhile needs nothing. Raises StorageBusy, StorageUnavailable.
    """
    try:
        WORK[analysis.kind](database, analysis)
    except StudyNotFound:
        log.info("study deleted meanwhile", study=analysis.study.name)
    except StorageError:
        raise
    except Exception as error:  # the worker goes on with other studies, and tries again
        log.error("analysis failed", study=analysis.study.name, kind=analysis.kind, exc_info=error)
        return False
    return True


def _gain(database: Database, analysis: Analysis) -> None:
    with database.reading() as session:
        searched = gain.read(session, analysis.study, analysis.definition)
    document = gain.worked_out(searched)
    with database.writing() as session:
        gain.keep(session, searched, document, database.now(session))


def _matters(database: Database, analysis: Analysis) -> None:
    with database.reading() as session:
        material = matters.read(session, analysis.study, analysis.definition)
    document = matters.worked_out(material)
    with database.writing() as session:
        matters.keep(session, material, document, database.now(session))


def _finalists(database: Database, analysis: Analysis) -> None:
    with database.reading() as session:
        history = history_of(session, analysis.study, analysis.definition, database.now(session))
    try:
        chosen: Sequence[int] = choose_finalists(analysis.definition, history).finalists
    except Exception as error:  # the study goes on all the same, and stands in no other's way
        log.error("finalists are chosen without a model", study=analysis.study.name, exc_info=error)
        chosen = finalists_by_rank(analysis.definition, history)
    until = kept_confirmation.searched_until(history.trials)
    with database.writing() as session:
        kept_confirmation.keep_finalists(session, analysis.study.id, chosen, until, database.now(session))


WORK = {gain.KIND: _gain, sensitivity.KIND: _matters, kept_confirmation.FINALISTS: _finalists}
