"""Draw the answer as a fragment of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from steelyard.formatting import number


def answer_html(study: str, summary: str, comparison: Sequence[Mapping[str, Any]]) -> str:
    """Return the summary and a table: one row a metric, one column a setting."""
    settings = list(dict.fromkeys(row["setting"] for row in comparison))
    metrics = list(dict.fromkeys(row["metric"] for row in comparison))
    cells = {(row["metric"], row["setting"]): _cell(row) for row in comparison}
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *settings))
    body = "".join(
        f"<tr><th>{escape(metric)}</th>" + "".join(f"<td>{cells.get((metric, name), '')}</td>" for name in settings) + "</tr>"
        for metric in metrics
    )
    sentences = "".join(f"<p>{escape(line)}</p>" for line in summary.splitlines())
    return f"<h3>{escape(study)}</h3>{sentences}<table><tr>{head}</tr>{body}</table>"


def _cell(row: Mapping[str, Any]) -> str:
    spread = f" ± {row['std']:.2g}" if row["std"] is not None else ""
    return f"{number(row['mean'])}{spread}"


def page_html(study: str, answer: str) -> str:
    """Return a page of its own with an answer."""
    style = "<style>body{font-family:sans-serif;margin:2em}</style>"
    return f"<!doctype html><meta charset='utf-8'><title>{escape(study)}</title>{style}{answer}"
