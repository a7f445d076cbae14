"""The page's addresses: what they send, with which headers, and what they load."""

from __future__ import annotations

import ast
import gzip
import json
import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.main import create_app
from app.pages.assets import STATIC, as_sent, eager, forgetful, plotly_file
from app.settings import ApiSettings
from search.validation.normalize import normalise
from storage.records import StudyState
from tests.app.conftest import TestClient
from tests.app.scenes import NAME, Bench, on_sqlite, problem

PAGES = ("/", "/workers", "/workloads", f"/studies/{NAME}", f"/studies/{NAME}/trials/0")
STRICT = ("default-src 'self'", "frame-ancestors 'none'", "img-src 'self' data: blob:", "base-uri 'none'")
FOREIGN = re.compile(r"""["'(](?:https?:)?//""")


@pytest.fixture
def trained(bench: Bench) -> Bench:
    bench.submit()
    bench.trained([0.5])
    return bench


@on_sqlite
@pytest.mark.parametrize("path", PAGES)
def test_a_page_allows_nothing_from_elsewhere_and_no_inline_script(trained: Bench, path: str) -> None:
    page = trained.client.get(path)
    assert page.status_code == 200
    assert all(rule in page.headers["content-security-policy"] for rule in STRICT)
    assert "unsafe-eval" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert re.findall(r"<script(?![^>]* src=)", page.text) == []
    assert not FOREIGN.search(page.text)


@on_sqlite
@pytest.mark.parametrize("path", PAGES)
def test_all_that_a_page_loads_is_there_for_ever_and_compressed(trained: Bench, path: str) -> None:
    page = trained.client.get(path).text
    loaded = re.findall(r'(?:src|data-plotly|data-stream)="([^"]+)"|<link[^>]*href="([^"]+)"', page)
    addresses = {one or other for one, other in loaded}
    assert len(addresses) >= 5
    for address in addresses:
        file = trained.client.get(address)
        assert file.status_code == 200, address
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["content-encoding"] == "gzip"


@on_sqlite
@pytest.mark.parametrize("path", PAGES)
def test_a_page_asks_at_once_for_all_modules_that_it_will_import(trained: Bench, path: str) -> None:
    page = trained.client.get(path).text
    linked = re.findall(r'<link rel="modulepreload" href="[^"]*/([^"/]+)">|<script type="module" src="[^"]*/([^"/]+)"', page)
    names = {one or other for one, other in linked}
    imported = {name for each in names for name in re.findall(r'from "\./([\w-]+\.js)"', (STATIC / each).read_text())}
    assert imported <= names


@on_sqlite
def test_a_client_that_takes_no_compression_is_sent_the_file_itself(client: TestClient) -> None:
    address = re.findall(r'data-plotly="([^"]+)"', client.get("/").text)[0]
    plain = client.get(address, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == as_sent(plotly_file().read_bytes())


def test_plotly_is_sent_with_its_one_function_in_parentheses_and_nothing_else_changed() -> None:
    script = plotly_file().read_bytes().rstrip()
    sent = eager(script)
    opened = next(place for place, (one, other) in enumerate(zip(script, sent, strict=False)) if one != other)
    assert sent[opened - 1 :].startswith(b"(() => {")
    assert sent == script[:opened] + b"(" + script[opened:-3] + b")" + script[-3:]


def test_plotly_is_sent_with_a_smaller_bound_to_the_boxes_that_it_keeps_of_texts_and_nothing_else_changed() -> None:
    script = plotly_file().read_bytes()
    place = next(at for at, (one, other) in enumerate(zip(script, forgetful(script), strict=True)) if one != other)
    assert b".savedBBoxes={}" in script[place - 40 : place]
    assert forgetful(script) == script[: place - 2] + b"1e3;" + script[place + 2 :]


@pytest.mark.parametrize("script", [b"", b"export const x = 1;\n", b', () => {\n"use strict";'])
def test_a_script_of_another_form_is_sent_as_it_is(script: bytes) -> None:
    assert as_sent(script) == script


@on_sqlite
@pytest.mark.parametrize("path", ["/assets/0/page.css", "/assets/0/..%2fviews.py"])
def test_a_file_that_there_is_not_is_404(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.*")), ids=lambda file: file.name)
def test_our_own_files_name_no_other_server_and_make_no_markup_of_text(file: Path) -> None:
    text = file.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not FOREIGN.search(text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)


@on_sqlite
@pytest.mark.parametrize("path", ["/studies/nothing", f"/studies/{NAME}/trials/99", "/studies/%3Cscript%3E"])
def test_what_there_is_not_is_a_page_that_says_so(trained: Bench, path: str) -> None:
    page = trained.client.get(path)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "there is no" in page.text or "has no" in page.text
    assert "<script>" not in page.text


def test_an_address_that_no_study_can_have_is_a_page_that_says_so(client: TestClient) -> None:
    assert client.get("/studies/a%00b").status_code == 404


@on_sqlite
def test_a_name_that_begins_like_a_study_is_not_that_study(bench: Bench) -> None:
    bench.submit(name="a" * 64)
    assert bench.client.get(f"/studies/{'a' * 64}").status_code == 200
    assert bench.client.get(f"/studies/{'a' * 65}").status_code == 404


@on_sqlite
def test_the_example_of_an_empty_service_is_a_definition_that_may_run(client: TestClient) -> None:
    example = client.get("/example.json").json()
    assert normalise(example, workloads={"digits": None}).definition.name == "digit-and-parity"


@on_sqlite
def test_the_api_alone_has_no_page(settings: ApiSettings) -> None:
    app = create_app(settings.model_copy(update={"page": False}))
    with TestClient(app) as client:
        problem(client.get("/"), 404, "not-found")
        assert client.get("/v1/studies").status_code == 200


@on_sqlite
@pytest.mark.parametrize("kept", [True, False], ids=["the proxy keeps the prefix", "the proxy strips it"])
def test_behind_a_path_prefix_every_address_has_it(settings: ApiSettings, kept: bool) -> None:
    app = create_app(settings.model_copy(update={"root_path": "/user/ada/proxy/8765"}))
    with TestClient(app) as client:
        at = "/user/ada/proxy/8765" if kept else ""
        for path in ("/", "/workers", "/docs"):
            text = client.get(f"{at}{path}").text
            links = re.findall(r'(?:src|href|data-plotly|data-stream)="(/[^"]*)"', text)
            assert links
            assert all(link.startswith("/user/ada/proxy/8765/") for link in links)
        own = next(link for link in links if "assets" in link)
        assert client.get(own if kept else own.removeprefix("/user/ada/proxy/8765")).status_code == 200


@on_sqlite
def test_a_report_is_one_file_with_all_it_shows(app: FastAPI, trained: Bench) -> None:
    trained.ended(StudyState.COMPLETE)
    answer = trained.client.get(f"/studies/{NAME}/report.html")
    assert answer.headers["content-disposition"] == f'attachment; filename="{NAME}.html"'
    documents = json.loads(re.findall(r'<script type="application/json" id="documents">(.*?)</script>', answer.text)[0])
    at = f"/v1/studies/{NAME}"
    assert documents[f"{at}/best"] == trained.get(f"{at}/best")
    assert documents[f"{at}/confirmation"] == trained.get(f"{at}/confirmation")
    assert documents[at]["state"] == "COMPLETE"
    modules = json.loads(re.findall(r'<script type="importmap">(.*?)</script>', answer.text)[0])["imports"]
    assert "study.js" in modules
    assert re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="', answer.text) == []


@on_sqlite
def test_a_report_waits_for_what_the_study_waits_for(app: FastAPI, bench: Bench) -> None:
    app.state.own_workers = lambda: 1
    bench.submit()
    assert "the worker is starting" in bench.client.get(f"/studies/{NAME}/report.html").text


@on_sqlite
def test_nothing_of_a_user_ends_the_script_that_a_report_keeps_it_in(bench: Bench) -> None:
    bench.submit(description="</script><script>alert(1)</script>")
    text = bench.client.get(f"/studies/{NAME}/report.html").text
    assert "<script>alert(1)" not in text
    documents = json.loads(re.findall(r'id="documents">(.*?)</script>', text)[0])
    assert documents[f"/v1/studies/{NAME}"]["definition"]["description"] == "</script><script>alert(1)</script>"


@on_sqlite
def test_the_script_of_the_best_weights_is_a_python_file(trained: Bench) -> None:
    trained.ended(StudyState.COMPLETE)
    trained.publish()
    answer = trained.client.get(f"/studies/{NAME}/train.py")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/")
    functions = {node.name for node in ast.walk(ast.parse(answer.text)) if isinstance(node, ast.FunctionDef)}
    assert "main" in functions


def test_a_packed_file_is_the_file(tmp_path: Path) -> None:
    from app.pages.assets import Asset

    file = tmp_path / "x.js"
    file.write_text("export const x = 1;\n")
    assert gzip.decompress(Asset(file, "assets/0/x.js").packed()) == file.read_bytes()
