"""Many watchers, one look: what each of them is given, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from app import stream
from app.stream import EventStream, Named, Watcher
from storage import lifecycle, outcomes, studies
from storage.database import Database
from storage.records import EventRecord, StudyState
from tests.storage import scenes
from tests.storage.scenes import NOW

PATIENCE = 60.0


def run(database: Database, play: Callable[[EventStream], Awaitable[None]], closing: Callable[[], bool] = lambda: False) -> None:
    """Play a scene with a stream that looks every millisecond."""

    async def scene() -> None:
        watched = EventStream(database, closing, 0.001)
        async with asyncio.timeout(PATIENCE):
            await play(watched)
        await watched.close()

    asyncio.run(scene())


async def take(found: AsyncIterator[EventRecord], count: int) -> list[str]:
    return [(await anext(found)).kind for _ in range(count)]


async def registered(watched: EventStream, count: int) -> None:
    while watched.watchers < count:
        await asyncio.sleep(0)


def end(database: Database, study_id: int) -> None:
    with database.writing() as session:
        studies.end_study(session, study_id, StudyState.STOPPED, None, NOW)


def test_all_watchers_of_a_study_are_given_what_is_new(database: Database) -> None:
    study = scenes.running(database, 1).study

    async def play(watched: EventStream) -> None:
        streams = [stream.study_events(watched, database, study.id, last=1) for _ in range(3)]
        for found in streams:
            assert await take(found, 1) == ["trial.state"]
        await asyncio.to_thread(end, database, study.id)
        for found in streams:
            assert await take(found, 1) == ["study.state"]
            await found.aclose()

    run(database, play)


def test_a_watcher_of_one_study_is_not_given_another_ones(database: Database) -> None:
    study = scenes.running(database, 1).study
    other = scenes.running(database, 1, "other").study

    async def play(watched: EventStream) -> None:
        found = stream.study_events(watched, database, study.id, last=1)
        await take(found, 1)
        await asyncio.to_thread(end, database, other.id)
        await asyncio.to_thread(end, database, study.id)
        event = await anext(found)
        assert (event.kind, event.study_id) == ("study.state", study.id)
        await found.aclose()

    run(database, play)


def test_whoever_comes_later_goes_on_after_what_it_has_seen(database: Database) -> None:
    study = scenes.running(database, 1).study

    async def play(watched: EventStream) -> None:
        first = stream.study_events(watched, database, study.id, last=100)
        seen = await anext(first)
        await first.aclose()
        again = stream.study_events(watched, database, study.id, after=seen.id)
        assert await take(again, 2) == ["study.state", "trial.state"]
        await again.aclose()

    run(database, play)


def test_names_of_changed_studies_are_given_once_for_many_events(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LATE_IDS", 0)  # what was written before is not named
    one = scenes.running(database, 5, "one")
    other = scenes.running(database, 1, "other").study

    def finish() -> None:
        with database.writing() as session:
            outcomes.record_outcomes(session, one.token, [scenes.outcome(number, 0.5) for number in range(5)], NOW)

    async def play(watched: EventStream) -> None:
        names = stream.changed_studies(watched)
        task = asyncio.ensure_future(anext(names))
        await registered(watched, 1)
        await asyncio.to_thread(finish)
        assert await task == "one"
        following = asyncio.ensure_future(anext(names))
        await asyncio.to_thread(end, database, other.id)
        assert await following == "other"
        await names.aclose()

    run(database, play)


def test_watchers_end_with_the_service(database: Database) -> None:
    study = scenes.running(database, 1).study
    closed: list[bool] = []

    async def play(watched: EventStream) -> None:
        found = stream.study_events(watched, database, study.id, last=1)
        await take(found, 1)
        closed.append(True)
        assert [event async for event in found] == []

    run(database, play, lambda: bool(closed))


def test_a_stream_ends_when_its_study_is_deleted(database: Database, monkeypatch) -> None:
    monkeypatch.setattr(stream, "IDLE_SECONDS", 0.01)
    study = scenes.running(database, 1).study
    end(database, study.id)

    def delete() -> None:
        with database.writing() as session:
            lifecycle.delete_study(session, "study", NOW)

    async def play(watched: EventStream) -> None:
        found = stream.study_events(watched, database, study.id, last=1)
        assert await take(found, 1) == ["study.state"]
        await asyncio.to_thread(delete)
        assert [event async for event in found] == []

    run(database, play)


def test_a_stream_of_a_deleted_study_ends_while_other_studies_have_news(database: Database, monkeypatch) -> None:
    study = scenes.running(database, 1).study

    async def news(_: Watcher) -> list[Named]:
        await asyncio.sleep(0)
        return [("another", EventRecord(10**9, study.id + 1, "trial.state", {}, NOW))]

    monkeypatch.setattr(stream, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(Watcher, "next", news)
    end(database, study.id)

    def delete() -> None:
        with database.writing() as session:
            lifecycle.delete_study(session, "study", NOW)

    async def play(watched: EventStream) -> None:
        found = stream.study_events(watched, database, study.id, last=1)
        assert await take(found, 1) == ["study.state"]
        await asyncio.to_thread(delete)
        assert [event async for event in found] == []

    run(database, play)


def test_a_deleted_study_is_named_at_once_and_ends_its_own_stream(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LATE_IDS", 0)  # what was written before is not named again
    study = scenes.running(database, 1).study
    other = scenes.running(database, 1, "other").study
    end(database, study.id)

    def delete() -> None:
        with database.writing() as session:
            lifecycle.delete_study(session, "study", NOW)

    async def play(watched: EventStream) -> None:
        names, own = stream.changed_studies(watched), stream.study_events(watched, database, study.id, last=1)
        assert await take(own, 1) == ["study.state"]
        task = asyncio.ensure_future(anext(names))
        await registered(watched, 2)
        await asyncio.to_thread(delete)
        assert await task == "study"
        assert [event async for event in own] == []
        following = asyncio.ensure_future(anext(names))
        await asyncio.to_thread(end, database, other.id)
        assert await following == "other"
        await names.aclose()

    run(database, play)


def test_one_that_cannot_keep_up_is_given_everything_from_the_database(database: Database, monkeypatch) -> None:
    monkeypatch.setattr(stream, "MOST_WAITING", 1)
    monkeypatch.setattr(stream, "MOST_AT_ONCE", 2)  # more was missed than is read at once
    study = scenes.running(database, 3).study

    async def play(watched: EventStream) -> None:
        found = stream.study_events(watched, database, study.id, last=1)
        await take(found, 1)
        task = asyncio.create_task(take(found, 4))
        await asyncio.to_thread(cancel, database)
        assert await task == ["trial.state"] * 3 + ["study.state"]
        await found.aclose()

    run(database, play)


def cancel(database: Database) -> None:
    with database.writing() as session:
        lifecycle.cancel(session, "study", NOW)
