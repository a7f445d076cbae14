"""A study that an earlier version ran goes on under this one."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.end_to_end.service import serving
from tests.kept.database import restore


def test_a_kept_study_goes_on_with_more_trials(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    restore(tmp_path / "data" / "steelyard.sqlite3")
    with serving(tmp_path, workers=1) as service:
        before = service.trials("kept")
        assert httpx.patch(f"{service.url}/v1/studies/kept", json={"trials": 5}).status_code == 200
        assert service.finished("kept")["state"] == "COMPLETE"
        after = service.trials("kept")
    assert after[: len(before)] == before
    searched = [trial for trial in after if trial["role"] == "search"]
    assert [trial["state"] for trial in searched] == ["COMPLETE"] * 5
