"""Contracts in a bundle: what they cover of a batch follows from their whole window, and is proved with it."""

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from calc_stream.evidence.bundle import kept, read_bundle
from calc_stream.evidence.bundle_file import unpack
from calc_stream.factors import FactorSet, load
from calc_stream.factors.instruments import Instrument
from calc_stream.ledger.rows import BatchRow
from calc_stream.verification import verify
from tests.unit.calc_stream_live.forged import resealed, signed_anew, with_outline
from tests.unit.calc_stream_live.proven import ProvenPlant, made, stated, today, yesterday
from tests.unit.calc_stream_live.test_contracts import CERTIFICATES, PPA, kg
from wire.errors import BadData

HOUR = 3_600_000


def set_of(*instruments: Instrument) -> bytes:
    known = load()
    return FactorSet.of(known.rows, known.entries, instruments).encode()


def contracted(folder: Path, contract: Instrument) -> tuple[ProvenPlant, BatchRow]:
    """P, which got 140 Wh of the 7.2 kWh that came in the hour, and a figure for it."""
    plant = ProvenPlant(folder)
    yesterday(plant)
    plant.factors("factors-2", set_of(contract))
    today(plant)
    plant.now_ms += HOUR
    plant.read((3600, 8200), (7300, 15_600))
    plant.close_day()
    return plant, stated(plant, folder / "calc", "P")


@pytest.mark.parametrize(
    ("contract", "part"),
    # Of the hour, and of all that was counted while the certificates hold.
    [(PPA, Fraction(9, 72)), (CERTIFICATES, Fraction(9, 153))],
)
def test_a_figure_by_contract_comes_out_of_its_bundle(
    contract: Instrument, part: Fraction, tmp_path: Path
) -> None:
    plant, row = contracted(tmp_path, contract)
    assert row.kg_co2e == kg(part, Fraction("0.14"))
    data = made(plant, row)
    assert verify(data, [plant.receipt_key.public]).row == row
    assert read_bundle(unpack(data)).factors.instruments == (contract,)


def test_a_contract_that_was_another_one_gives_another_figure(tmp_path: Path) -> None:
    """Told by the ingestor, who signs all that is made to fit."""
    plant, row = contracted(tmp_path, PPA)
    bundle = read_bundle(unpack(made(plant, row)))
    (at,) = (n for n, data in bundle.data.items() if b"contract-7" in data)
    more = msgspec.structs.replace(PPA, volumes=("1.8",))
    told = signed_anew(bundle, at, set_of(more), plant.receipt_key)
    with pytest.raises(BadData, match=r"factors\.json: is not what the factor set in force says"):
        verify(resealed(told))
    used = msgspec.structs.replace(bundle.factors, instruments=(more,))
    its = msgspec.structs.replace(row, factor_set=hashlib.sha256(set_of(more)).hexdigest())
    told = replace(told, factors=used, rows=(kept(its),))
    with pytest.raises(BadData, match=r"result\.json: kg_co2e is stated as"):
        verify(resealed(told))


def test_what_came_in_the_contracts_hour_may_not_be_left_out(tmp_path: Path) -> None:
    """Though it is far from the batch: what the contract covers of that depends on it."""
    plant, row = contracted(tmp_path, PPA)
    bundle = read_bundle(unpack(made(plant, row)))
    segments = [
        n
        for n in bundle.data
        if bundle.stretch[n - bundle.begin - 1].kind == "segment" and n > bundle.begin
    ]
    at = segments[-4]
    header, signature = bundle.data[at].split(b"\n")[:2]
    assert msgspec.json.decode(header)["t_first_ms"] > (row.ended_ms or 0) + 900_000
    shown = {n: data for n, data in bundle.data.items() if n != at}
    told = with_outline(
        replace(bundle, data=shown), at, header=header.decode(), signature=signature.decode()
    )
    with pytest.raises(BadData, match=f"records/{at}.segment: .* is left out, and holds readings"):
        verify(resealed(told))
