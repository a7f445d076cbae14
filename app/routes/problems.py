"""What each problem type means: the pages behind the `type` of every error."""

from __future__ import annotations

import inspect

from fastapi import APIRouter

from app.errors import BY_STATUS, PROBLEMS
from app.refusals import NoSuchProblem
from app.schemas.fleet import ProblemType, ProblemTypeList

router = APIRouter(prefix="/problems", tags=["problems"])


@router.get("")
async def list_problem_types() -> ProblemTypeList:
    """List all problem types."""
    return ProblemTypeList(problems=list(_types().values()))


@router.get("/{slug}")
async def show_problem_type(slug: str) -> ProblemType:
    """Say what a problem type means."""
    found = _types().get(slug)
    if found is None:
        raise NoSuchProblem(slug)
    return found


def _types() -> dict[str, ProblemType]:
    described = {problem: inspect.getdoc(kind) or problem.title for kind, problem in PROBLEMS.items()}
    described |= {problem: problem.title for problem in BY_STATUS.values()}
    return {
        problem.slug: ProblemType(type=problem.type, title=problem.title, status=problem.status, description=description)
        for problem, description in described.items()
    }
