"""A model that changes: what is posted stays only where nothing changed, and nobody waits for a
meter that was not there yet."""

import numpy as np

from calc_stream.core import Chunk, Marks, SiteState, Versions, parse_model, recompute
from calc_stream.core.decimals import instant
from calc_stream.core.series import Readings

from .test_state import ONE, assert_same, reading

T_S = 40 * 60  # within the second page


def later(model: str, t_s: int = T_S) -> str:
    return model.replace("format = 1", f'format = 1\nvalid_from = "{instant(t_s * 1000)}"')


def test_a_meter_not_yet_in_the_model_is_not_waited_for() -> None:
    grown = later(ONE + ONE[ONE.index("[[meters]]") :].replace('"m"', '"m2"'))
    site = SiteState()
    for chunk in (Chunk(model=ONE), Chunk(model=grown)):
        site.apply(chunk)
    site.apply(reading((0, 0), (2 * T_S, 100)))
    site.apply(reading((0, 0), (60, 5), meter="m2"))
    assert site.frontier_ms == T_S * 1000


def test_pages_of_a_version_that_another_one_replaced_are_posted_anew() -> None:
    site = SiteState()
    site.apply(Chunk(model=ONE))
    site.apply(reading((0, 0), (2 * T_S, 4_800)))
    moved = ONE.replace("n1", "n2")
    for model in (later(moved), later(moved.replace("n2", "n3"))):  # the second one corrects it
        site.apply(Chunk(model=model))
        versions = Versions.of(parse_model(text, "model") for text in (ONE, model))
        readings = Readings()
        readings.add("m", np.array([0, 2 * T_S * 1000]), np.array([0, 4_800]), 0)
        assert_same(site.ledger(), recompute(versions, [], readings))
    assert site.totals() == {"pool:n1": {"grid": 2_400_000}, "pool:n3": {"grid": 2_400_000}}


def test_a_store_that_was_never_there_left_nothing_to_the_version_after_it() -> None:
    filled = '[[meters]]\nid = "m2"\nfrom = "grid"\nto = "tank"\nunit = "Wh"\n'
    stored = f'{ONE}[stores.tank]\ncarrier = "electricity"\n{filled}'
    site, without = SiteState(), SiteState()
    for its, first in ((site, stored), (without, ONE)):
        for chunk in (Chunk(model=first), Chunk(model=later(ONE))):
            its.apply(chunk)
        for meter in ("m", "m2"):
            its.apply(reading((0, 0), (2 * T_S, 4_800), meter=meter))
    assert site.ledger().postings.ended["tank"].content == (("grid", 2_400_000),)
    site.apply(Chunk(model=ONE))  # corrects the first one
    assert site.versions is not None
    assert_same(site.ledger("frontier"), recompute(site.versions, [], site.readings))
    assert site.to_bytes() == without.to_bytes()


def test_energy_that_moved_to_another_period_is_told_although_the_total_stays() -> None:
    site = SiteState()
    site.apply(Chunk(model=ONE, marks=Marks({"grid": (60_000,)})))
    site.apply(reading((0, 0), (120, 1000)))
    changes = site.apply(reading((60, 700)))
    assert changes.accounts == {}
    assert changes.moved == {"pool:n1"}


def test_behind_a_version_without_a_meter_all_before_it_stays_posted() -> None:
    bus = '[buses.main]\ncarrier = "electricity"\nresidual = "links"\n[[links]]\nfrom = "main"\nto = "n1"\n'
    site = SiteState()
    site.apply(Chunk(model=ONE))
    site.apply(reading((0, 0), (2 * T_S, 4_800)))
    site.apply(Chunk(model=later(ONE[: ONE.index("[[meters]]")] + bus)))
    assert site.versions is not None
    assert_same(site.ledger("frontier"), recompute(site.versions, [], site.readings))
    assert site.totals() == {"pool:n1": {"grid": 2_400_000}}


def test_a_meter_of_a_version_to_come_says_nothing_of_the_time_before_it() -> None:
    """Its meter is read already; the one in force is silent, and nobody has told of today."""
    site = SiteState()
    for chunk in (Chunk(model=ONE), Chunk(model=later(ONE.replace('"m"', '"m2"')))):
        site.apply(chunk)
    site.apply(reading((0, 0), (60, 100)))
    site.apply(reading((0, 0), (120, 5), meter="m2"))
    site.apply(Chunk(silent=frozenset({"m"})))
    assert site.frontier_ms == 60_000
    site.apply(reading((T_S, 100), (T_S + 60, 105), meter="m2"))
    assert site.frontier_ms == (T_S + 60) * 1000
