"""What people and papers state of energy: a register read by hand, fuel delivered, a bill, a correction.

Each is a record of the journal under its id: of kind `reading`, or `correction` where it speaks of
others. Nothing is edited: a `void` takes a statement back, and says why.
"""

import msgspec

from wire.errors import BadData

TYPES = ("manual", "delivery", "bill", "correction", "void")
# Those that say that others are wrong.
CORRECTING = ("correction", "void")


class Statement(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"from_": "from"},
):
    """Amounts are decimal strings, times have a zone.

    manual      `meter` showed `register` at `t`, in the unit of the model's meter or in `unit`
    delivery    `quantity` `unit` for `source` arrived at `t`, says `document`
    bill        `quantity` `unit` of `source` from `from` to `to`, says `document`
    correction  what gateways read of register `meter` from `from` to `to` is not booked: `reason`
    void        the statement `of` never was: `reason`
    """

    id: str
    type: str
    t: str | None = None
    from_: str | None = None
    to: str | None = None
    meter: str | None = None
    register: str | None = None
    source: str | None = None
    quantity: str | None = None
    unit: str | None = None
    document: str | None = None
    supplier: str | None = None
    of: str | None = None
    reason: str | None = None
    by: str | None = None
    note: str | None = None


def read_statement(data: bytes) -> Statement:
    """Raises BadData for what is none."""
    try:
        return msgspec.json.decode(data, type=Statement)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"statement: {exc}") from exc
