"""Commands for the page: its address, a browser, a report."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from app.settings import ApiSettings
from steelyard.cli.main import app
from steelyard.client import Client
from steelyard.door.cache import cache_folder, remember
from steelyard.serving import ServeSettings, _api_settings
from storage.records import StudyState
from tests.steelyard.conftest import running
from tests.steelyard.filled import definition, filled


def steelyard(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give what a browser was asked to open, and open none."""
    found: list[str] = []
    monkeypatch.setattr("webbrowser.open", found.append)
    return found


def test_open_shows_all_studies_or_one_and_says_where(service, client, name, opened):
    filled(service, client, name, [0.5])
    assert json.loads(steelyard("open").stdout) == {"url": f"{service.url}/"}
    assert json.loads(steelyard("open", name).stdout) == {"url": f"{service.url}/studies/{name}"}
    assert opened == [f"{service.url}/", f"{service.url}/studies/{name}"]


@pytest.fixture
def searched(service, client, name, monkeypatch, tmp_path):
    """Give the study of a `steelyard.search`, whose local service is here the only one."""
    filled(service, client, name, [0.5])
    monkeypatch.delenv("STEELYARD_URL")
    monkeypatch.setenv("STEELYARD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("steelyard.client.DEFAULT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("steelyard.door.local.local_service", lambda folder: service.url)
    remember(cache_folder(), name, {"study": name, "local": True})
    return name


@pytest.mark.parametrize("all_studies", [False, True])
def test_open_shows_what_a_call_of_search_made(searched, service, opened, all_studies):
    assert steelyard("open", *([] if all_studies else [searched])).exit_code == 0
    assert opened == [f"{service.url}/" if all_studies else f"{service.url}/studies/{searched}"]


def test_open_asks_the_usual_service_for_a_study_of_no_call(searched, opened):
    result = steelyard("open", "nothing")
    assert (result.exit_code, opened) == (5, [])
    assert "http://127.0.0.1:9" in result.stderr


def test_open_of_a_study_that_there_is_not_opens_nothing(opened):
    result = steelyard("open", "nothing")
    assert (result.exit_code, opened) == (1, [])
    assert "there is no study 'nothing'" in result.stderr


def test_a_report_is_written_whole(service, client, name, tmp_path):
    filled(service, client, name, [0.5, 0.75], StudyState.COMPLETE)
    file = tmp_path / "report.html"
    result = steelyard("report", name, "-o", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"Wrote {file}" in result.stderr
    text = file.read_text()
    assert f"<title>{name} · Steelyard</title>" in text
    assert text.rstrip().endswith("</html>")


def test_a_report_into_no_folder_names_the_folder(service, client, name, tmp_path):
    filled(service, client, name, [0.5])
    result = steelyard("report", name, "-o", str(tmp_path / "nowhere" / "report.html"))
    assert result.exit_code == 1
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in result.stderr


def test_a_report_of_no_study_leaves_no_file(tmp_path):
    file = tmp_path / "report.html"
    assert steelyard("report", "nothing", "-o", str(file)).exit_code == 1
    assert not file.exists()


def test_submit_says_where_the_study_is_seen(service, client, name, tmp_path, monkeypatch):
    monkeypatch.setattr("steelyard.cli.submitting.wants_document", lambda _as_json: False)
    file = tmp_path / "study.json"
    file.write_text(json.dumps(definition(name)))
    assert f"See it: {service.url}/studies/{name}" in steelyard("submit", str(file)).stderr


@pytest.mark.parametrize(
    ("page", "root_path", "expected"), [(True, "", (True, "")), (False, "", (False, "")), (True, "/user/ada/", (True, "/user/ada"))]
)
def test_serve_hands_on_whether_there_is_a_page_and_under_which_prefix(tmp_path, page, root_path, expected):
    settings = _api_settings(ServeSettings("127.0.0.1", 0, 0, f"sqlite:///{tmp_path}/x.db", False, page, root_path))
    assert (settings.page, settings.root_path) == expected


@pytest.mark.parametrize("prefix", ["user", "/a b", "//x", "/x?y", "/a/../b c"])
def test_a_prefix_that_is_no_path_is_refused(tmp_path, prefix):
    with pytest.raises(ValueError, match="a path such as"):
        ApiSettings(database_url=f"sqlite:///{tmp_path}/x.db", root_path=prefix)


@pytest.mark.parametrize("arguments", [("open",), ("report", "any", "-o", "x.html")])
def test_a_service_without_a_page_is_said_to_have_none(monkeypatch, opened, arguments):
    monkeypatch.setattr("steelyard.client.Client.get", lambda _client, _name: {})
    monkeypatch.setattr("steelyard.client.Client.has_page", lambda _client: False)
    result = steelyard(*arguments)
    assert (result.exit_code, opened) == (1, [])
    assert "it was started with --no-page" in result.stderr


def test_a_client_sees_whether_there_is_a_page(client, migrated_sqlite_file):
    assert client.has_page()
    with running(f"sqlite:///{migrated_sqlite_file}", page=False) as url, Client(url) as other:
        assert not other.has_page()
