"""From the parameters of a list of trials to its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.columns import columns_of, table
from app.page_tokens import PageTokens
from app.refusals import BadParameter
from app.results import counted
from app.schemas.trials import TrialList, TrialTable, trial_body
from app.study_views import definition_of
from search.errors import Fault, shown
from search.names import listed, nearest
from storage import paging, study_rows
from storage.database import Session
from storage.paging import BY_NUMBER, BY_OBJECTIVE
from storage.records import Role, StudyRecord, TrialState
from storage.study_rows import counted_moment

MAX_CURVES = 100
MAX_FAULTS = 10
MAX_POINTS = 1_000_000
"""Most numbers in one answer of curves: some 20 MB of JSON."""


@dataclass(frozen=True, slots=True)
class TrialQuery:
    """What a list of trials was asked for."""

    study: str
    state: TrialState | None
    role: Role | None
    order_by: str
    page_size: int
    page_token: str
    view: str

    @property
    def by(self) -> str:
        return self.order_by.removeprefix("-")

    @property
    def descending(self) -> bool:
        return self.order_by.startswith("-")


def trial_page(session: Session, query: TrialQuery, tokens: PageTokens) -> TrialList | TrialTable:
    """Return the page that `query` asks for. Raises StudyNotFound, BadParameter, BadPageToken."""
    study = study_rows.get_study(session, query.study)
    if query.by not in (BY_NUMBER, BY_OBJECTIVE):
        require_paths(session, study, [query.by], "query.order_by", ["number", "objective"])
    of = f"trials {study.id} {query.state} {query.role} {query.order_by}"
    page, following = paging.page_trials(
        session,
        study.id,
        state=query.state,
        role=query.role,
        order_by=query.by,
        descending=query.descending,
        page_size=query.page_size,
        after=tokens.open(query.page_token, of),
        moments=[counted_moment(study)],
    )
    shown_trials = [(trial, counted(study, measured)) for trial, measured in page]
    token = tokens.seal(following, of)
    if query.view == "table":
        columns = columns_of(session, study)
        return table(columns, [columns.row(trial, measured) for trial, measured in shown_trials], token)
    bodies = [trial_body(trial, measured) for trial, measured in shown_trials]
    return TrialList.model_construct(trials=bodies, next_page_token=token)


def require_paths(session: Session, study: StudyRecord, paths: Sequence[str], at: str, others: Sequence[str] = ()) -> None:
    """Raise BadParameter for paths that the study does not measure."""
    known = [*others, *(term.path for term in study_rows.terms_of(session, study.id))]
    unknown = [path for path in paths if path not in known][:MAX_FAULTS]
    if unknown:
        raise BadParameter(*(Fault(at, f"one of {listed(known, 60)}", shown(path), nearest(path[:200], known)) for path in unknown))


def curve_query(session: Session, study: StudyRecord, numbers: str, paths: str) -> tuple[list[int], list[str] | None]:
    """Return the trial numbers and the paths (None for all) that a request for curves names. Raises BadParameter."""
    wanted = [part.strip() for part in numbers.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in wanted) or len(wanted) > MAX_CURVES:
        raise BadParameter(Fault("query.trials", f"at most {MAX_CURVES} trial numbers, separated by commas", shown(numbers)))
    terms = [part.strip() for part in paths.split(",") if part.strip()]
    require_paths(session, study, terms, "query.terms")
    training = definition_of(study).training
    points = (
        len(wanted) * (training.epochs // training.report_every + 2) * (len(terms) or len(study_rows.terms_of(session, study.id)))
    )
    if points > MAX_POINTS:
        raise BadParameter(Fault("query.trials", f"trials and terms of at most {MAX_POINTS} numbers in all", f"some {points}"))
    return list(dict.fromkeys(map(int, wanted))), list(dict.fromkeys(terms)) or None
