"""The page that describes the service."""

from __future__ import annotations

import re

from fastapi.testclient import TestClient


def test_the_page_loads_everything_from_the_service_itself(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 3
    for address in loaded:
        assert address.startswith("/docs/assets/")
        assert client.get(address).status_code == 200


def test_the_page_reads_the_description_that_the_service_gives(client: TestClient) -> None:
    assert "/openapi.json" in client.get("/docs").text
    assert client.get("/openapi.json").json()["info"]["title"]
