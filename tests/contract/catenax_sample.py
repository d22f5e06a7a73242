"""An export whose company has a business partner number."""

from dataclasses import replace
from typing import Any

import msgspec

from calc_stream.exporters import Export
from tests.unit.calc_stream_live import footprints_sample


def known(export: Export, **company: Any) -> Export:
    told = footprints_sample.declaration()
    ids = ("urn:lei:529900EXAMPLE0000000", "urn:bpn:id:BPNL000000000DWF")
    changed = msgspec.structs.replace(told.company, **{"ids": ids, **company})
    return replace(export, declaration=msgspec.structs.replace(told, company=changed))
