"""Plug-ins as workers publish them."""

from __future__ import annotations

from storage import plugins, workers
from storage.database import Database
from tests.storage.scenes import NOW, later

TRAITS = {"name": "outside", "learns": False}


def published(database: Database) -> list[tuple[str, str, str | None, str | None]]:
    with database.reading() as session:
        return [(each.kind, each.name, each.digest, each.failure) for each in plugins.list_plugins(session)]


def test_the_latest_traits_win_and_end_a_failure(database: Database) -> None:
    with database.writing() as session:
        plugins.publish_failure(session, "samplers", "outside", "no such module", NOW)
        plugins.publish_plugin(session, "samplers", "outside", "d1", TRAITS, NOW)
        plugins.publish_plugin(session, "samplers", "outside", "d2", TRAITS, later(1))
    assert published(database) == [("samplers", "outside", "d2", None)]


def test_the_same_traits_again_write_nothing(database: Database) -> None:
    with database.writing() as session:
        plugins.publish_plugin(session, "samplers", "outside", "d1", TRAITS, NOW)
        plugins.publish_plugin(session, "samplers", "outside", "d1", TRAITS, later(9))
    with database.reading() as session:
        (found,) = plugins.list_plugins(session)
    assert (found.traits, found.published_at) == (TRAITS, NOW)


def test_a_worker_s_failure_leaves_what_another_published(database: Database) -> None:
    with database.writing() as session:
        plugins.publish_plugin(session, "samplers", "outside", "d1", TRAITS, NOW)
        plugins.publish_failure(session, "samplers", "outside", "no such module", NOW)
    with database.reading() as session:
        (found,) = plugins.list_plugins(session)
    assert (found.traits, found.failure) == (TRAITS, "no such module")


def test_a_kind_has_names_of_its_own(database: Database) -> None:
    with database.writing() as session:
        plugins.publish_plugin(session, "samplers", "outside", "d1", TRAITS, NOW)
        plugins.publish_plugin(session, "pruners", "outside", "d2", TRAITS, NOW)
    assert [(kind, name) for kind, name, _, _ in published(database)] == [("pruners", "outside"), ("samplers", "outside")]


def test_a_worker_runs_what_it_said_last(database: Database) -> None:
    with database.writing() as session:
        one, other = (
            workers.register(session, name=name, host="h", pid=1, version="1", workloads=["digits"], now=NOW).id for name in "ab"
        )
        plugins.set_worker_plugins(session, one, [("samplers", "old")])
        plugins.set_worker_plugins(session, one, [("samplers", "outside"), ("penalties", "outside")])
    with database.reading() as session:
        found = plugins.worker_plugins(session, [one, other])
    assert found == {one: {("samplers", "outside"), ("penalties", "outside")}, other: frozenset()}
