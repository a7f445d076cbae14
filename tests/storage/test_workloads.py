"""What workers published of workloads: descriptions, failures, and who has which version."""

from __future__ import annotations

from storage import workers, workloads
from storage.database import Database
from storage.fleet_records import WorkloadFailure
from tests.storage import scenes
from tests.storage.scenes import NOW, later


def test_a_published_workload_is_found_and_listed_by_name(database: Database) -> None:
    with database.writing() as session:
        workloads.publish_workload(session, "mask", "m1", {"outputs": {"mask": [8, 8]}}, NOW)
        workloads.publish_workload(session, "digits", "d1", {}, NOW)
        found = workloads.find_workload(session, "mask")
        assert [each.name for each in workloads.list_workloads(session)] == ["digits", "mask"]
        assert workloads.find_workload(session, "nobody\x00") is None
    assert found is not None
    assert (found.digest, found.description, found.published_at) == ("m1", {"outputs": {"mask": [8, 8]}}, NOW)


def test_a_workload_published_anew_replaces_the_old(database: Database) -> None:
    with database.writing() as session:
        workloads.publish_workload(session, "mask", "m1", {"old": 1}, NOW)
        workloads.publish_workload(session, "mask", "m2", {"new": 1}, later(1))
        found = workloads.find_workload(session, "mask")
    assert found is not None
    assert (found.digest, found.description, found.published_at) == ("m2", {"new": 1}, later(1))


def test_the_same_workload_again_writes_nothing(database: Database) -> None:
    with database.writing() as session:
        workloads.publish_workload(session, "mask", "m1", {"outputs": 1}, NOW)
        workloads.publish_workload(session, "mask", "m1", {"outputs": 1}, later(1))
        found = workloads.find_workload(session, "mask")
    assert found is not None
    assert found.published_at == NOW


def test_a_workload_of_the_same_shapes_in_another_version_is_published_anew(database: Database) -> None:
    with database.writing() as session:
        workloads.publish_workload(session, "ads", "m1", {"outputs": 1}, NOW, "v1")
        workloads.publish_workload(session, "ads", "m1", {"outputs": 1}, later(1), "v2")
        found = workloads.find_workload(session, "ads")
    assert found is not None
    assert (found.version, found.published_at) == ("v2", later(1))


def test_a_failure_stands_beside_what_was_published_until_it_can_be_described_again(database: Database) -> None:
    with database.writing() as session:
        workloads.publish_workload(session, "ads", "m1", {"outputs": 1}, NOW, "v1")
        workloads.publish_failure(session, "ads", "NameError: x", "ads.py:3", later(1), "v2")
        assert workloads.failures(session) == {"ads": WorkloadFailure("ads", "v2", "NameError: x", "ads.py:3", later(1))}
        found = workloads.find_workload(session, "ads")
        assert found is not None
        assert found.version == "v1"
        workloads.publish_workload(session, "ads", "m1", {"outputs": 1}, later(2), "v1")
        assert workloads.failures(session) == {}


def test_the_same_failure_again_writes_nothing(database: Database) -> None:
    with database.writing() as session:
        workloads.publish_failure(session, "ads", "NameError: x", None, NOW)
        workloads.publish_failure(session, "ads", "NameError: x", None, later(1))
        assert workloads.failures(session)["ads"].published_at == NOW


def test_a_failure_of_a_version_that_another_worker_described_does_not_count(database: Database) -> None:
    with database.writing() as session:
        workloads.publish_workload(session, "ads", "m1", {"outputs": 1}, NOW, "v1")
        workloads.publish_failure(session, "ads", "No module named 'pandas'", "ads.py:1", later(1), "v1")
        assert workloads.failures(session) == {}


def test_a_version_is_alive_with_a_live_worker_that_has_it(database: Database) -> None:
    with database.writing() as session:
        worker = scenes.register(session)
        workloads.set_worker_versions(session, worker, [("ads", "v1"), ("ads", "v2")])
        workloads.set_worker_versions(session, worker, [("ads", "v2"), ("shop", "v1")])
        alive = [workloads.is_version_alive(session, *named, NOW) for named in (("ads", "v1"), ("ads", "v2"), ("shop", "v1"))]
        assert alive == [False, True, True]
        assert not workloads.is_version_alive(session, "ads", "v2", later(61))
        workers.deregister(session, worker, later(1))
        assert not workloads.is_version_alive(session, "ads", "v2", later(1))
