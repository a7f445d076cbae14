"""One file that shows a study without a server: the documents that REST gives, the page's own modules, and plotly.js."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from fastapi import Request

from app import confirmation, points, ranking_service, results, running
from app.columns import curve
from app.pages.assets import IMPORT, plotly_file
from app.pages.views import Views
from app.refusals import Refusal
from app.results import counted
from app.schemas.common import Body
from app.schemas.confirmation import RepeatedSettings
from app.schemas.fleet import WorkloadBody, WorkloadList
from app.schemas.results import BestWeights, ParetoFront
from app.schemas.sensitivity import Sensitivity
from app.schemas.trials import CurvesBody, TrialWithEpochs, epoch_body, trial_fields
from app.starting import as_it_stands
from app.study_views import study_body
from search.analysis.answer import NoAnswer
from storage import curves, paging, study_rows, trial_rows, workloads
from storage.database import Database, Session
from storage.records import Role, Split, StudyRecord, TrialState
from storage.study_rows import counted_moment

MOST, MOST_DRAWN = 800, 12


def report(views: Views, request: Request, storage: Database, name: str) -> bytes:
    """Return the report of a study as HTML in UTF-8. Raises StudyNotFound."""
    with storage.reading() as session:
        study = study_rows.get_study(session, name)
        now = storage.now(session)
        alive = request.app.state.settings.alive_within_seconds
        documents = {path: _sent(body) for path, body in _documents(session, study)}
        documents[f"/v1/studies/{name}"] = _sent(as_it_stands(study_body(session, study, now, alive), request.app.state))
        documents[f"/v1/studies/{name}/cohorts"] = _sent(running.cohort_list(session, study, now))
    own = views.assets.own()
    place = secrets.token_hex()  # nothing that a user wrote has it
    text = views.text(
        "report",
        base="",
        name=name,
        made_at=now.strftime("%Y-%m-%d %H:%M UTC"),
        style=own["page.css"],
        theme=own["theme.js"],
        plotly=place,
        modules=_quoted(json.dumps({"imports": dict(_modules(own))})),
        documents=_quoted(json.dumps(documents)),
    )
    before, after = text.split(place)
    return b"".join([before.encode(), plotly_file().read_bytes(), after.encode()])  # as text it would take 10 MB a copy


def _documents(session: Session, study: StudyRecord) -> Iterator[tuple[str, Body]]:
    """Yield what the study's page asks for, by path; what the service refuses is left out."""
    at = f"/v1/studies/{study.name}"
    yield f"{at}/points?most={MOST}", points.points(session, study, MOST)
    yield f"{at}/confirmation", RepeatedSettings.model_validate(confirmation.confirmation_document(session, study))
    described = workloads.find_workload(session, study.workload)
    if described is not None:
        yield "/v1/workloads", WorkloadList(workloads=[WorkloadBody.of(study.workload, 0, described)])
    winner = None
    try:
        best = ranking_service.best(session, study)
        winner = best["trial"]
        yield f"{at}/best", BestWeights.model_validate(best)
    except (NoAnswer, Refusal) as none:
        if picks := none.members.get("picks"):
            front = ranking_service.front_document(session, study, ranking_service.front(session, study))
            yield f"{at}/pareto", ParetoFront.model_validate(front)
            winner = next(iter(picks.values()))
            for pick in picks:
                yield (
                    f"{at}/best?pick={quote(pick, safe='')}",
                    BestWeights.model_validate(ranking_service.best_picked(session, study, pick)),
                )
    yield from _drawn(session, study, winner)
    try:
        yield f"{at}/sensitivity", Sensitivity.model_validate(results.sensitivity_document(session, study))
    except Refusal:
        return


def _drawn(session: Session, study: StudyRecord, winner: int | None) -> Iterator[tuple[str, Body]]:
    """Yield the curves of the winner and the baselines, and their weights in force."""
    at = f"/v1/studies/{study.name}"
    complete, _ = paging.page_trials(
        session, study.id, state=TrialState.COMPLETE, role=Role.BASELINE, page_size=MOST_DRAWN, moments=[counted_moment(study)]
    )
    trials = [trial for trial, _ in complete]
    if winner is not None and winner not in {trial.number for trial in trials}:
        trials.append(trial_rows.get_trial(session, study.id, winner))
    found = curves.curves(session, study.id, [trial.number for trial in trials])
    drawn = [curve(number, points_) for number, points_ in found.items()]
    yield f"{at}/curves", CurvesBody(split=Split.VALIDATION.value, curves=drawn)
    for trial in trials:
        measured = counted(study, curves.measured(session, trial.id))
        epochs = [epoch_body(epoch) for epoch in curves.epochs_of(session, trial.id)]
        yield f"{at}/trials/{trial.number}", TrialWithEpochs(**trial_fields(trial, measured), intermediate_values=epochs)


def _sent(body: Body) -> Any:
    return json.loads(body.model_dump_json(exclude_unset=True))


def _modules(own: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each module's name and a data URL of it: in one file modules find each other by an import map."""
    for name, text in own.items():
        if name.endswith(".js"):
            named = IMPORT.sub(r'\1 "\2"', text)
            yield name, "data:text/javascript;base64," + base64.b64encode(named.encode()).decode()


def _quoted(text: str) -> str:
    """Return JSON that may stand in a script element: nothing in it ends one."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
