"""What must hold between a simplex and the weights on it: members that are searched, and for a grid one number of points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from search.definition.plugins import is_grid
from search.definition.schema import Search
from search.definition.space import shared_by, simplex_members
from search.definition.weights import SharedWeight, Simplex, WeightRange
from search.errors import Fault
from search.names import listed, nearest
from search.validation.context import ValidationContext

SPACE = "search.space"


def faults(known: ValidationContext) -> Iterator[Fault]:
    """Yield what is wrong with a simplex; nothing for a box, nor where some weight could not be read."""
    search = known.parts.search
    if search is None or not known.parts.whole or search.space == "box":
        return
    weights, places = known.parts.searched(), known.parts.parameters()
    members = simplex_members(search.space, places)
    unknown = list(_unsearched(known, search, members, places))
    yield from unknown
    if not unknown and len(members) < 2:
        yield Fault(SPACE, "at least 2 searched weights: their ratio is what a simplex is searched by", str(len(members)))
    elif not unknown and is_grid(search.sampler):
        yield from _lattice({places[path]: weights[places[path]] for path in members})


def _unsearched(known: ValidationContext, search: Search, members: Sequence[str], places: Mapping[str, str]) -> Iterator[Fault]:
    terms = {path: part for _, path, part, _ in known.parts.terms()}
    for i, path in enumerate(members if isinstance(search.space, Simplex) else ()):
        if path in places:
            continue
        got, meant = repr(path), nearest(path, places)
        if path in terms:
            shared = shared_by(terms[path].weight)
            got += ", whose weight is fixed" if shared is None else f", whose weight is the shared {shared[0]!r}"
            meant = shared[0] if shared is not None and shared[0] in places else None
        yield Fault(f"{SPACE}.simplex.{i}", f"a searched weight ({listed(places)})", got, meant)


def _lattice(members: Mapping[str, SharedWeight]) -> Iterator[Fault]:
    """Yield why the members (by JSON path) have no lattice. Missing points are reported as for every grid."""
    ranges = {place: weight for place, weight in members.items() if isinstance(weight, WeightRange)}
    for place in members.keys() - ranges.keys():
        yield Fault(f"{place}.values", 'a range with "points": on a simplex a grid shares the total out in equal steps', "values")
    points = {place: weight.points for place, weight in ranges.items() if weight.points is not None}
    wanted = next(iter(points.values()), 0)
    for place, count in points.items():
        if count != wanted:
            yield Fault(f"{place}.points", f"{wanted}, as the simplex's other members have", str(count))
    above_zero = sum(weight.low > 0 for weight in ranges.values())
    if len(points) == len(members) and 0 < wanted <= above_zero:
        expected = f"at least {above_zero + 1} points: each of the {above_zero} members whose low is above 0 gets one step or more"
        yield Fault(f"{next(iter(points))}.points", expected, str(wanted))
