"""Make the REST service: `create_app(settings)`. Nothing happens at import time."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from app import docs_page, errors, openapi
from app.dependencies import only_known_parameters
from app.guard import Guard
from app.page_tokens import PageTokens
from app.points import PointsCache
from app.prefix import PathPrefix
from app.readiness import Readiness
from app.routes import announced, catalog, health, live, problems, results, seen, studies, trials, workers
from app.settings import ApiSettings
from app.stream import EventStream
from app.sweeper import Sweeper
from search.workloads import registry
from storage.database import Database
from storage.errors import SchemaOutdated
from storage.migrations import migrate, require_current

ROUTERS = tuple(each.router for each in (studies, trials, results, seen, live, catalog, workers, health, problems))


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """Return the service; without `settings` they are read from the environment.

    `app.state.closing` is an Event: once set, readiness is 503 and waiting requests answer at once. `app.state.own_workers` returns
    how many of the service's own worker processes may still be starting.
    """
    settings = settings or ApiSettings()
    app = FastAPI(**openapi.ABOUT, docs_url=None, redoc_url=None, lifespan=_lifespan, generate_unique_id_function=_route_name)
    app.state.settings = settings
    app.state.database = Database(settings.database_url, busy_timeout_seconds=settings.busy_timeout_seconds)
    app.state.readiness = Readiness(settings.database_url, settings.busy_timeout_seconds)
    app.state.page_tokens = PageTokens(settings.database_url)
    app.state.registered = registry.names()
    app.state.points = PointsCache()
    app.state.closing = threading.Event()
    app.state.own_workers = lambda: 0
    app.state.events = EventStream(app.state.database, app.state.closing.is_set, settings.events_seconds)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(only_known_parameters)], responses=openapi.PROBLEM_RESPONSES)
    app.include_router(announced.router)
    app.add_middleware(Guard, settings=settings)
    if settings.root_path:
        app.add_middleware(PathPrefix, prefix=settings.root_path)
    errors.install(app)
    openapi.install(app)
    docs_page.install(app)
    if settings.page:
        from app.pages.install import install  # Jinja2 is for whoever looks

        install(app)
    return app


def _route_name(route: APIRoute) -> str:
    return route.name


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ApiSettings = app.state.settings
    database: Database = app.state.database
    await run_in_threadpool(bring_up_to_date, database, migrate_at_start=settings.migrate_at_start)
    sweeper = Sweeper(database, settings.sweep_seconds, app.state.readiness.trouble)
    sweeper.start()
    app.state.closing.clear()  # a lifespan may be entered again
    try:
        yield
    finally:
        app.state.closing.set()
        await app.state.events.close()
        await run_in_threadpool(sweeper.close)
        app.state.readiness.close()
        database.close()


def bring_up_to_date(database: Database, *, migrate_at_start: bool) -> None:
    """Make sure of the schema. A current one is left alone, so that a usual start does not even import Alembic.

    Raises SchemaTooNew, and SchemaOutdated where it may not migrate.
    """
    try:
        require_current(database)
    except SchemaOutdated:
        if not migrate_at_start:
            raise
        migrate(database)
