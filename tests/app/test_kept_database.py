"""A database that an earlier version wrote opens, and every call answers what that version answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import ApiSettings
from storage.database import Database
from storage.migrations import migrate
from tests.kept.database import answers, missing, restore


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    file = tmp_path_factory.mktemp("kept") / "steelyard.db"
    restore(file)
    database = Database(f"sqlite:///{file}")
    migrate(database)
    database.close()
    with TestClient(create_app(ApiSettings(database_url=f"sqlite:///{file}", sweep_seconds=3600))) as client:
        yield client


@pytest.mark.parametrize("path", answers())
def test_a_kept_study_is_shown_as_it_was(kept: TestClient, path: str) -> None:
    answer = kept.get(path)
    assert answer.status_code == 200
    assert missing(answers()[path], answer.json()) == []


def test_a_kept_study_posted_again_is_the_same_study(kept: TestClient) -> None:
    study = answers()["/v1/studies/kept"]
    again = kept.post("/v1/studies", json={**study["definition"], "name": "kept"})
    assert (again.status_code, again.json()["definition_sha256"]) == (200, study["definition_sha256"])
