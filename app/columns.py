"""Trials as columns and as files: the table view, curves, and exports."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.results import counted
from app.schemas.common import NumberSplitter
from app.schemas.trials import CurveBody, TrialTable, trial_body
from app.study_views import definition_of
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from storage import paging, study_rows
from storage.database import Database, Session
from storage.records import Measured, StudyRecord, TermRecord, TrialRecord
from storage.study_rows import counted_moment

ROWS_AT_ONCE = 200
COUNTS = ("number", "role", "rule", "state", "seed", "epochs", "best_epoch", "attempt")
PLAIN = (*COUNTS, "worker", "cohort", "engine", "workload_version")
TIMES = ("created_at", "started_at", "ended_at")


class Columns:
    """Trials as rows of named columns, the same ones for every trial of a study."""

    def __init__(self, definition: StudyDefinition, terms: Sequence[TermRecord]) -> None:
        weighed = [term.path for term in terms if term.kind in ("loss", "penalty")]
        self.names = [
            *PLAIN,
            "objective",
            "feasible",
            *(f"weights.{path}" for path in weighed),
            *(f"parameters.{path}" for path in SearchSpace(definition).parameters),
            *(f"train.{path}" for path in weighed),
            *(f"validation.{term.path}" for term in terms),
            "reason",
            *TIMES,
        ]

    def row(self, trial: TrialRecord, measured: Measured) -> list[Any]:
        """Return the trial's values in the order of `names`; None where it has none."""
        known: dict[str, Any] = {name: getattr(trial, name) for name in (*PLAIN, "feasible", *TIMES)}
        known |= {"role": trial.role.value, "state": trial.state.value, "objective": trial.value}
        known |= {"reason": trial.reason.code if trial.reason else None}
        groups = {"weights": trial.weights, "parameters": trial.parameters}
        groups |= {"train": measured.train, "validation": measured.validation}
        for group, values in groups.items():
            known |= {f"{group}.{path}": value for path, value in values.items()}
        return [known.get(name) for name in self.names]


def columns_of(session: Session, study: StudyRecord) -> Columns:
    return Columns(definition_of(study), study_rows.terms_of(session, study.id))


def table(columns: Columns, rows: Sequence[Sequence[Any]], next_page_token: str) -> TrialTable:
    """Return rows as columns."""
    shown, not_finite = column_values(columns, rows, columns.names)
    return TrialTable(columns=shown, not_finite=not_finite, next_page_token=next_page_token)


def column_values(
    columns: Columns, rows: Sequence[Sequence[Any]], names: Sequence[str]
) -> tuple[dict[str, list[Any]], dict[str, dict[str, str]]]:
    """Return rows as columns, those of `names`, of what JSON can say, and what it cannot by column and index."""
    shown: dict[str, list[Any]] = {}
    not_finite: dict[str, dict[str, str]] = {}
    places = {name: place for place, name in enumerate(columns.names)}
    for name in names:
        shown[name], odd = _list([row[places[name]] for row in rows])
        if odd:
            not_finite[name] = odd
    return shown, not_finite


def _list(values: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
    split = NumberSplitter()
    shown = [
        split.one(str(i), value) if isinstance(value, float) and not math.isfinite(value) else value
        for i, value in enumerate(values)
    ]
    return shown, dict(split.not_finite)


def curve(number: int, points: Mapping[str, Sequence[tuple[int, float]]]) -> CurveBody:
    """Return one trial's curves over all epochs that any of them has."""
    epochs = sorted({epoch for path in points.values() for epoch, _ in path})
    values: dict[str, list[float | None]] = {}
    not_finite: dict[str, dict[str, str]] = {}
    for path, pairs in points.items():
        by_epoch = dict(pairs)
        values[path], odd = _list([by_epoch.get(epoch) for epoch in epochs])
        if odd:
            not_finite[path] = odd
    return CurveBody(trial=number, epochs=epochs, values=values, not_finite=not_finite)


def export_jsonl(storage: Database, study: StudyRecord) -> Iterator[str]:
    """Yield every trial as one line of JSON, as GET of the trial shows it."""
    for page in _pages(storage, study):
        yield "".join(f"{trial_body(trial, measured).model_dump_json()}\n" for trial, measured in page)


def export_csv(storage: Database, study: StudyRecord, columns: Columns) -> Iterator[str]:
    """Yield every trial as one line of CSV below a line of names; `nan`, `inf`, `-inf` and `undefined` as such."""
    yield _csv([columns.names])
    for page in _pages(storage, study):
        yield _csv([_cell(value) for value in columns.row(trial, measured)] for trial, measured in page)


def _pages(storage: Database, study: StudyRecord) -> Iterator[list[tuple[TrialRecord, Measured]]]:
    """Yield the study's trials by number, each page in a transaction of its own: a slow reader of a long export holds none."""
    moments = [counted_moment(study)]
    after: str | None = None
    while True:
        with storage.reading() as session:
            page, after = paging.page_trials(session, study.id, page_size=ROWS_AT_ONCE, after=after, moments=moments)
        yield [(trial, counted(study, measured)) for trial, measured in page]
        if after is None:
            return


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else value


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
