"""Show a study's front in place of one best trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.cli.best_table import AnswerTable, conclusion
from steelyard.cli.tables import front_table
from steelyard.formatting import figure, plain

if TYPE_CHECKING:
    from rich.console import Console

    from steelyard.client import Client
    from steelyard.documents import Study

CONFIRMED = "confirmed"


def front_shown(client: Client, study: Study, console: Console) -> bool:
    """Print the front, its hypervolume, and what fresh seeds say of its finalists. Returns False for an empty front."""
    front = client.pareto(study)
    if not front["trials"]:
        return False
    console.print(front_table(front))
    summary = f"{len(front['trials'])} trials that no other beats in every metric; hypervolume {figure(front, 'hypervolume')}."
    console.print(summary, soft_wrap=True)
    if front["picks"].get(CONFIRMED) is not None:
        found = client.best(study, pick=CONFIRMED)
        console.print("\n".join(map(plain, conclusion(found))), soft_wrap=True)
        console.print(AnswerTable(found))
    return True
