"""A study goes on over faults of its database: PostgreSQL killed in the middle, and a network that resets and cuts commits."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from tests.end_to_end.service import Service, serving, until
from tests.end_to_end.studies import flagship
from tests.storage.own_server import OwnServer, own_server
from tests.storage.proxy import FaultyProxy, socket_of

TRIALS, KILLS = 30, 5


def submitted(service: Service, trials: int = TRIALS) -> str:
    definition = flagship(cohort_size=4, trials=trials)
    definition["training"]["epochs"] = 3
    name = service.submit(definition)
    until(lambda: complete(service, name) >= 2, "some trials are complete")
    return name


def complete(service: Service, name: str) -> int:
    return int(service.get(f"/v1/studies/{name}")["progress"]["trials"]["COMPLETE"])


def require_whole(service: Service, name: str, count: int = TRIALS) -> None:
    """The study ends, and every trial has one result and cost nobody an attempt more than it had to."""
    assert service.finished(name)["state"] == "COMPLETE"
    trials = service.trials(name)
    assert [trial["number"] for trial in trials] == list(range(count + 1))
    assert {trial["state"] for trial in trials} == {"COMPLETE"}


def kill(server: OwnServer, service: Service, name: str) -> None:
    """Kill the server in the middle of a study; it is said to be away, and trials end again when it is back."""
    before = complete(service, name)
    assert not service.get(f"/v1/studies/{name}")["ended"]
    server.kill()
    refused = httpx.get(f"{service.url}/v1/studies/{name}", timeout=60)
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert refused.headers["retry-after"]
    assert httpx.get(f"{service.url}/readyz", timeout=60).status_code == 503
    assert httpx.get(f"{service.url}/livez", timeout=60).status_code == 200
    server.start_again()
    until(lambda: httpx.get(f"{service.url}/readyz", timeout=60).status_code == 200, "the database is back")
    until(lambda: complete(service, name) > before, "trials end again")


@pytest.mark.soak
def test_a_study_goes_on_when_postgresql_was_killed_and_is_back(tmp_path: Path) -> None:
    trials = 32 * KILLS
    with own_server() as server, serving(tmp_path, workers=1, database_url=server.url) as service:
        name = submitted(service, trials)
        for _ in range(KILLS):
            kill(server, service, name)
        require_whole(service, name, trials)


@pytest.mark.soak
def test_a_study_goes_on_over_a_network_that_resets_and_cuts_commits(tmp_path: Path) -> None:
    with own_server() as server:
        proxy = FaultyProxy(socket_of(server.url))
        url = make_url(server.url).set(host="127.0.0.1", port=proxy.port, query={}).render_as_string(hide_password=False)
        try:
            with serving(tmp_path, workers=1, database_url=url) as service:
                name = submitted(service)
                for turn in range(8):
                    proxy.cut_after, proxy.cut_before = turn % 2 == 0, turn % 2 == 1
                    time.sleep(0.3)
                    proxy.reset()
                proxy.cut_after = proxy.cut_before = False
                require_whole(service, name)
                assert proxy.cuts
        finally:
            proxy.close()
