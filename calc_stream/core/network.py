"""Which edges a site model may have, and what an outlet needs to know to share its content out."""

from calc_stream.core.known import unknown_link
from calc_stream.core.plant import Link, Meter, SiteModel
from calc_stream.core.toml_table import Table
from wire.reasons import shown

_KINDS = {
    "source": "sources",
    "bus": "buses",
    "utility": "utilities",
    "store": "stores",
    "node": "nodes",
    "export": "exports",
}
_ALLOWED = {
    "source": ("bus", "utility", "store", "node"),
    "bus": ("bus", "utility", "store", "node", "export"),
    "utility": ("bus", "store", "node"),
    "store": ("bus", "utility", "node", "export"),
}
_METERED = ("source", "store")

Edges = list[tuple[Table, Meter | Link]]


def check_ends(top: Table) -> None:
    """Dangling ends, edges between kinds that have none, links where meters must be. ConfigError."""
    kinds: dict[str, str] = {}
    for kind, key in _KINDS.items():
        kinds |= dict.fromkeys(top.table(key).data, kind)
    for table in top.array("meters"):
        _check_edge(table, kinds)
    for table in top.array("links"):
        _check_edge(table, kinds)
        for key in ("from", "to"):
            if (kind := kinds[place := table.text_of(key)]) in _METERED:
                raise table.refuse(key, f"the edges of a {kind} ({place}) are metered")


def check_network(model: SiteModel, top: Table) -> None:
    """Links where none may be, missing shares, flows that cannot be known. ConfigError."""
    links = list(zip(top.array("links"), model.links, strict=True))
    for table, _ in links:
        _check_link(table, model)
    meters = {meter.id: meter for meter in model.meters}
    edges: Edges = [(table, meters[table.text_of("id")]) for table in top.array("meters")]
    outgoing: dict[str, Edges] = {}
    for table, edge in [*edges, *links]:
        outgoing.setdefault(edge.start, []).append((table, edge))
    for name, bus in top.tables("buses"):
        own = [pair for pair in outgoing.get(name, []) if isinstance(pair[1], Link)]
        if model.buses[name].residual == "links" and not own:
            raise bus.refuse("residual", 'is "links", but no link leaves this bus')
        _check_shares(own)
    for name, utility in top.tables("utilities"):
        _check_utility(model, outgoing.get(name, []))
        _check_loss(model, name, utility, outgoing.get(name, []))
    for table, link in links:
        if link.loss is not None and (why := unknown_link(model, link)):
            raise table.refuse("loss", f"the flow into this link cannot be known: {why}")
    _check_energy(model, top)


def _check_edge(table: Table, kinds: dict[str, str]) -> None:
    start, end = table.text_of("from"), table.text_of("to")
    for key, place in (("from", start), ("to", end)):
        if place not in kinds:
            raise table.refuse(key, f"nothing is named {shown(place)} in this model")
    if kinds[start] not in _ALLOWED:
        raise table.refuse("from", f"no edge leaves a {kinds[start]} ({start})")
    if kinds[end] not in _ALLOWED[kinds[start]]:
        raise table.refuse("to", f"no edge runs from a {kinds[start]} to a {kinds[end]} ({end})")


def _check_link(table: Table, model: SiteModel) -> None:
    start, end = table.text_of("from"), table.text_of("to")
    if start not in model.buses:
        return
    if model.buses[start].residual != "links":
        raise table.refuse("from", f'links leave a bus only when residual = "links" ({start})')
    if end in model.buses and model.buses[end].carrier != model.buses[start].carrier:
        raise table.refuse("to", f"carriers differ between {start} and {end}")


def _check_shares(outputs: Edges) -> None:
    """Several outlets that must be shared out: each says its share, and not all say zero."""
    if len(outputs) > 1:
        for table, edge in outputs:
            if edge.share is None:
                raise table.refuse("share", f"is missing: {edge.start} has several links")
    if outputs and all(edge.share == 0 for _, edge in outputs):
        raise outputs[0][0].refuse("share", "the shares add up to zero")


def _check_utility(model: SiteModel, outputs: Edges) -> None:
    """One output takes all; several need shares, reference efficiencies, or meters of one carrier."""
    for key in ("share", "reference_efficiency"):
        if any(key in table.data for table, _ in outputs):
            for table, edge in outputs:
                if key not in table.data:
                    raise table.refuse(key, f"is missing: other outputs of {edge.start} have one")
    metered = [(table, edge) for table, edge in outputs if isinstance(edge, Meter)]
    for table, edge in metered:
        if edge.reference is not None and edge.share is not None:
            raise table.refuse("share", "and reference_efficiency are two rules for one output")
        if edge.reference is not None and not model.carriers[edge.carrier].kwh_per_unit:
            problem = f"needs energy: carrier {edge.carrier} tells no kwh_per_unit"
            raise table.refuse("reference_efficiency", problem)
    if any(edge.share is not None for _, edge in outputs):
        _check_shares(outputs)
        return
    if len({edge.end for _, edge in outputs}) < 2:
        return
    for table, edge in outputs:
        if isinstance(edge, Link):
            raise table.refuse("share", f"is missing: {edge.start} has several outputs")
    referred = all(edge.reference is not None for _, edge in metered)
    if not referred and len({edge.carrier for _, edge in metered}) > 1:
        table, edge = outputs[-1]
        problem = f"is missing (or reference_efficiency): outputs of {edge.start} differ in carrier"
        raise table.refuse("share", problem)


def _check_loss(model: SiteModel, name: str, table: Table, outputs: Edges) -> None:
    """A declared loss stands for meters behind: there may be none, and the carrier stays."""
    if model.utilities[name].loss is None:
        return
    for _, edge in outputs:
        if isinstance(edge, Meter):
            raise table.refuse("loss", f"is known already: {edge.id} meters what {name} gives out")
        if why := unknown_link(model, edge):
            raise table.refuse("loss", f"what flows out cannot be known: {why}")


def _check_energy(model: SiteModel, top: Table) -> None:
    """Direct energy of several carriers is added up in kWh."""
    if model.policy.spread != "direct_energy":
        return
    for source in model.sources.values():
        carrier = model.carriers[source.carrier]
        if not carrier.kwh_per_unit:
            problem = 'is missing: spread = "direct_energy" adds up energy'
            raise dict(top.tables("carriers"))[carrier.name].refuse("kwh_per_unit", problem)
