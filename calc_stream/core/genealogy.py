"""What batches inherit from the batches they were made of: split, merge, rework and regrind."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from calc_stream.core.batches import Batch
from calc_stream.core.components import components
from calc_stream.core.events import Problem
from calc_stream.core.linear import K, Vector, solve
from wire.reasons import because, shown


def inherited(
    batches: Mapping[str, Batch], own: Mapping[str, Mapping[K, int | Fraction]]
) -> tuple[dict[str, Vector[K]], list[Problem]]:
    """Exact amounts by batch that came with a batch's inputs, of what its own are told by.

    burden = own + sum over inputs of burden(input) * quantity / good(input), one linear system.
    Batches that pass everything round for ever are a problem and pass nothing to each other.
    """
    feeds: dict[str, list[str]] = {name: [] for name in batches}
    shares: dict[str, dict[str, Fraction]] = {name: {} for name in batches}
    for name, batch in batches.items():
        for of, quantity in batch.drawn.items():
            shares[name][of] = quantity / batches[of].good
            feeds[of].append(name)
    burden: dict[str, Vector[K]] = {}
    problems: list[Problem] = []
    for group in components(feeds):
        given = {name: _entering(name, group, shares, burden, own) for name in group}
        inside = {(of, n): share for n in group for of, share in shares[n].items() if of in group}
        solved = solve(group, given, inside)
        if solved is None:
            why = because("in_a_ring", batches=", ".join(map(shown, group[:5])))
            name, of = next((n, of) for n in group for of in shares[n] if of in group)
            problems.append(Problem(batches[name].drawn_by[of], "of", why))
        burden |= given if solved is None else solved
    found = {
        name: {
            key: value - own.get(name, {}).get(key, 0)
            for key, value in sorted(vector.items())
            if value != own.get(name, {}).get(key, 0)
        }
        for name, vector in burden.items()
    }
    return found, problems


def rings(batches: Mapping[str, Batch], names: Iterable[str]) -> list[Problem]:
    """What of these, and of those they were made of, passes everything round for ever."""
    family = {name: batches[name] for name in made_of(batches, *names) if name in batches}
    drawn = {name: batch.drawn for name, batch in family.items()}
    groups = components(drawn)
    if not any(len(group) > 1 or group[0] in drawn[group[0]] for group in groups):
        return []  # nothing goes round: no equations
    nothing: dict[str, dict[str, int]] = {}
    return inherited(family, nothing)[1]


def made_of(batches: Mapping[str, Batch], *names: str) -> list[str]:
    """These batches and those they were made of, all the way back."""
    found, ahead = dict.fromkeys(names), [*names]
    while ahead:
        batch = batches.get(ahead.pop())
        fresh = [of for of in (batch.drawn if batch else ()) if of not in found]
        found |= dict.fromkeys(fresh)
        ahead += fresh
    return list(found)


def _entering(
    name: str,
    group: tuple[str, ...],
    shares: Mapping[str, Mapping[str, Fraction]],
    burden: Mapping[str, Vector[K]],
    own: Mapping[str, Mapping[K, int | Fraction]],
) -> Vector[K]:
    """Own amounts and what comes from batches outside the group."""
    vector = {key: Fraction(amount) for key, amount in own.get(name, {}).items()}
    for of, share in shares[name].items():
        if of not in group:
            for key, value in burden[of].items():
                vector[key] = vector.get(key, Fraction(0)) + share * value
    return vector
