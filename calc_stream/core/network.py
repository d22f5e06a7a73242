"""Which edges a site model may have, and what an outlet needs to know to share its content out."""

from calc_stream.core.decimals import shown
from calc_stream.core.plant import Link, Meter, SiteModel
from calc_stream.core.toml_table import Table

_KINDS = {
    "source": "sources",
    "bus": "buses",
    "utility": "utilities",
    "node": "nodes",
    "export": "exports",
}
_ALLOWED = {
    "source": ("bus", "utility", "node"),
    "bus": ("bus", "utility", "node", "export"),
    "utility": ("bus", "node"),
}


def check_ends(top: Table) -> None:
    """Dangling ends, edges between kinds that have none, links out of a source. ConfigError."""
    kinds: dict[str, str] = {}
    for kind, key in _KINDS.items():
        kinds |= dict.fromkeys(top.table(key).data, kind)
    for table in top.array("meters"):
        _check_edge(table, kinds)
    for table in top.array("links"):
        _check_edge(table, kinds)
        if kinds[start := table.text_of("from")] == "source":
            raise table.refuse("from", f"the edges of a source ({start}) are metered")


def check_network(model: SiteModel, top: Table) -> None:
    """Links where none may be, missing shares. ConfigError."""
    for table in top.array("links"):
        _check_link(table, model)
    meters = {meter.id: meter for meter in model.meters}
    edges: list[tuple[Table, Meter | Link]] = []
    edges += [(table, meters[table.text_of("id")]) for table in top.array("meters")]
    edges += zip(top.array("links"), model.links, strict=True)
    outgoing: dict[str, list[tuple[Table, Meter | Link]]] = {}
    for table, edge in edges:
        outgoing.setdefault(edge.start, []).append((table, edge))
    for name, bus in top.tables("buses"):
        links = [pair for pair in outgoing.get(name, []) if isinstance(pair[1], Link)]
        if model.buses[name].residual == "links" and not links:
            raise bus.refuse("residual", 'is "links", but no link leaves this bus')
        _check_shares(links)
    for name in model.utilities:
        _check_utility(outgoing.get(name, []))


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


def _check_shares(outputs: list[tuple[Table, Meter | Link]]) -> None:
    """Several outlets that must be shared out: each says its share, and not all say zero."""
    if len(outputs) > 1:
        for table, edge in outputs:
            if edge.share is None:
                raise table.refuse("share", f"is missing: {edge.start} has several links")
    if outputs and all(edge.share == 0 for _, edge in outputs):
        raise outputs[0][0].refuse("share", "the shares add up to zero")


def _check_utility(outputs: list[tuple[Table, Meter | Link]]) -> None:
    """One output takes all; several need shares, or meters of one carrier."""
    shared = [(table, edge) for table, edge in outputs if edge.share is not None]
    if shared and len(shared) < len(outputs):
        table, edge = next((t, e) for t, e in outputs if e.share is None)
        raise table.refuse("share", f"is missing: other outputs of {edge.start} have one")
    if shared:
        _check_shares(outputs)
        return
    if len({edge.end for _, edge in outputs}) < 2:
        return
    for table, edge in outputs:
        if isinstance(edge, Link):
            raise table.refuse("share", f"is missing: {edge.start} has several outputs")
    if len({edge.carrier for _, edge in outputs if isinstance(edge, Meter)}) > 1:
        table, edge = outputs[-1]
        raise table.refuse("share", f"is missing: outputs of {edge.start} differ in carrier")
