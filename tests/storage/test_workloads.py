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
        workloads.set_worker_versions(session, scenes.register(session), [("ads", "v1"), ("ads", "v2")])
        assert workloads.failures(session, NOW) == {"ads": WorkloadFailure("ads", "v2", "NameError: x", "ads.py:3", later(1))}
        found = workloads.find_workload(session, "ads")
        assert found is not None
        assert found.version == "v1"
        workloads.publish_workload(session, "ads", "m1", {"outputs": 1}, later(2), "v1")
        assert workloads.failures(session, NOW) == {}


def test_the_same_failure_again_writes_nothing(database: Database) -> None:
    with database.writing() as session:
        scenes.register(session, workloads=["ads"])
        workloads.publish_failure(session, "ads", "NameError: x", None, NOW)
        workloads.publish_failure(session, "ads", "NameError: x", None, later(1))
        assert workloads.failures(session, NOW)["ads"].published_at == NOW


def test_a_failure_counts_as_long_as_a_live_worker_has_its_version(database: Database) -> None:
    with database.writing() as session:
        workloads.publish_workload(session, "ads", "m1", {"outputs": 1}, NOW, "v1")
        workloads.publish_failure(session, "ads", "NameError: x", "ads.py:3", NOW, "v2")
        assert workloads.failures(session, NOW) == {}
        worker = scenes.register(session)
        workloads.set_worker_versions(session, worker, [("ads", "v2")])
        assert set(workloads.failures(session, NOW)) == {"ads"}
        assert workloads.failures(session, later(61)) == {}
        workers.deregister(session, worker, later(1))
        assert workloads.failures(session, later(1)) == {}


def test_a_failure_of_the_version_that_is_described_counts_until_another_worker_has_it_too(database: Database) -> None:
    with database.writing() as session:
        workloads.publish_workload(session, "ads", "m1", {"outputs": 1}, NOW, "v1")
        workloads.publish_failure(session, "ads", "No module named 'pandas'", "ads.py:1", later(1), "v1")
        workloads.set_worker_versions(session, scenes.register(session), [("ads", "v1")])
        assert set(workloads.failures(session, NOW)) == {"ads"}
        workloads.set_worker_versions(session, scenes.register(session), [("ads", "v1")])
        assert workloads.failures(session, NOW) == {}


def test_a_worker_without_the_file_does_not_count_where_another_has_it(database: Database) -> None:
    with database.writing() as session:
        workloads.publish_workload(session, "ads", "m1", {"outputs": 1}, NOW, "v1")
        workloads.publish_failure(session, "ads", "there is no file ads.py", "ads.py", NOW)
        assert workloads.failures(session, NOW) == {}
        scenes.register(session, workloads=["ads"])
        assert set(workloads.failures(session, NOW)) == {"ads"}
        workloads.set_worker_versions(session, scenes.register(session, workloads=["ads"]), [("ads", "v1")])
        assert workloads.failures(session, NOW) == {}


def test_a_workload_is_described_elsewhere_by_a_live_worker_with_what_is_published(database: Database) -> None:
    with database.writing() as session:
        worker, other = scenes.register(session), scenes.register(session)
        workloads.publish_workload(session, "ads", "m1", {"outputs": 1}, NOW, "v1")
        workloads.set_worker_versions(session, worker, [("ads", "v1"), ("ads", "v2")])

        def elsewhere(version: str | None, *others: str) -> bool:
            workloads.set_worker_versions(session, other, [("ads", each) for each in others])
            return workloads.is_described_elsewhere(session, "ads", version, worker, NOW)

        assert not elsewhere("v1")
        assert elsewhere("v1", "v1")  # it has what this one lacks
        assert elsewhere("v2", "v1")
        assert not elsewhere("v2", "v1", "v2")  # its files are as broken
        assert elsewhere(None, "v1")
        workers.deregister(session, other, NOW)
        assert not elsewhere(None, "v1")


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
