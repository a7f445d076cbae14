"""Draw what matters in a study: how much each parameter does, for what, and within what range it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from steelyard.cli.fitting import FittingTable
from steelyard.cli.tables import MOST_COLUMNS, table_of
from steelyard.formatting import number, plain

if TYPE_CHECKING:
    from steelyard.documents import Range, Sensitivity

OBJECTIVE = "objective"


def drawn(found: Sensitivity) -> RenderableType:
    """Draw one line a parameter, and below it what that means in sentences."""
    return Group(_table(found), *(plain(f"{line}.") for line in _sentences(found)))


def _table(found: Sensitivity) -> FittingTable:
    metrics = list(dict.fromkeys(path for each in found["importance"].values() for path in each["metrics"]))[:MOST_COLUMNS]
    titles = [OBJECTIVE, *metrics]
    table = table_of("parameter", *titles, "as good as the winner", right=titles)
    for path, each in found["importance"].items():
        shares = [each["objective"], *(each["metrics"].get(metric) for metric in metrics)]
        table.add_row(plain(path), *map(_share, shares), plain(_as_good(found["ranges"].get(path))))
    return table


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}".replace("%", " %")


def _as_good(found: Range | None) -> str:
    if found is None:
        return "-"
    if values := found.get("values"):
        return ", ".join(each if isinstance(each, str) else number(each) for each in values)
    return number(found["low"]) if found["low"] == found["high"] else f"{number(found['low'])} to {number(found['high'])}"


def _sentences(found: Sensitivity) -> Iterator[str]:
    """Yield how the shares are to be read, why some are left out, each range's sentence, and the noise they are measured by."""
    yield f"Shares of what matters among the parameters, from {found['trials']} complete search trials"
    for target, why in found["untold"].items():
        yield f"{target}: {why}"
    for each in found["ranges"].values():
        yield each["sentence"][:1].upper() + each["sentence"][1:]
        if edge := each.get("edge"):
            yield edge["sentence"][:1].upper() + edge["sentence"][1:]
    noise = found["noise"]
    if noise["why"] is not None:
        yield f"No ranges: {noise['why']}"
    else:
        yield (
            f"Noise: {number(noise['std'])} from seed to seed ({noise['of']}); a value that costs no more than one training's luck "
            f"against the winner, {number(noise['best'])}, is as good"
        )
