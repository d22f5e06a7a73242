"""A published footprint as a file, in the form whoever asks for it reads."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Response

from calc_stream import exporters
from calc_stream.exporters import Export
from calc_stream.footprints.footprint import Footprint, successors
from calc_stream.web.behind import Behind, file
from calc_stream.web.described import Content, binary, describe
from calc_stream.web.guard import needs
from calc_stream.web.problems import Problem
from wire.errors import BadData, ConfigError

Form = Literal["statement", "pact", "openlca", "tidas", "ilcd", "cbam", "catenax", "json"]
# They say of one that it was superseded or withdrawn; the others hold what is in force, and would be
# empty.
_OF_ANY = ("statement", "pact", "json")
_ENDINGS = {"application/pdf": "pdf", "application/zip": "zip", "application/json": "json"}
_ABOUT = "for people (PDF), customers (PACT v3), LCA tools, customs, carmakers, programs"


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["products"], dependencies=[needs("viewer")])
    files = (binary("application/pdf"), binary("application/zip"))
    table = Content({"type": "object"}, None)

    @router.get(
        "/v1/footprints/{footprint}/export", **describe(*files, table, problems=(404, 409, 503))
    )
    def export(
        footprint: str,
        form: Annotated[Form, Query(description=_ABOUT)],
        lang: Annotated[Literal["en", "zh"], Query(description="of a statement's words")] = "en",
    ) -> Response:
        """What `wattprint export --what footprints` writes of this one, with what the calculator was
        told of its product; `pact`: the document as it is offered to customers. 409 says what the form
        lacks, or what it does not know."""
        found = behind.footprint(footprint)
        line = {each.id: each for each in behind.shelf.of(behind.site, found.product)}
        export = _export(behind, found, line)
        if form not in _OF_ANY and not export.in_force:
            raise Problem(409, f"footprint {footprint}: {_not_in_force(export, line, form)}")
        try:
            # Laying out pages is work for a core: one at a time leaves one to the rest.
            with behind.walking:
                if form == "pact":
                    data, media_type = _offered(behind, export, line), "application/json"
                else:
                    data, media_type = _written(export, form, lang)
        except (ConfigError, BadData) as exc:
            raise Problem(409, str(exc)) from exc
        return file(data, media_type, _name(found, form, _ENDINGS[media_type]))

    return router


def _name(footprint: Footprint, form: Form, ending: str) -> str:
    """Of one period there may be several, and of one footprint several forms."""
    product = footprint.product.replace("/", "-")
    tail = "" if form == ending else f"-{form}"
    return f"{product}-{footprint.period}-{footprint.id[:8]}{tail}.{ending}"


def _export(behind: Behind, footprint: Footprint, line: Mapping[str, Footprint]) -> Export:
    withdrawn = behind.shelf.withdrawn(behind.site).get(footprint.id)
    return Export(
        what="footprints",
        site=behind.site,
        offset=footprint.evidence.offset,
        rows=[footprint],
        declaration=None if behind.declared is None else behind.declared.declaration,
        superseded=frozenset(successors(line.values())),
        withdrawn={footprint.id: withdrawn.withdrawn} if withdrawn else {},
    )


def _not_in_force(export: Export, line: Mapping[str, Footprint], form: Form) -> str:
    (footprint,) = export.footprints
    held = f"{form} holds footprints in force"
    successor = successors(line.values()).get(footprint.id)
    if successor is not None:
        return f"{held}: ask for {successor}, which took its place"
    return f"{held}; this one was withdrawn: {export.withdrawn[footprint.id].reason}"


def _written(export: Export, form: Form, lang: str) -> tuple[bytes, str]:
    """The file and its media type. Raises ConfigError and BadData for what the form cannot say."""
    exporter = exporters.find(form)
    told = [f"lang={lang}"] if "lang" in exporter.Settings.__struct_fields__ else []
    data: bytes = exporter.write(export, exporters.settings(exporter, form, told))
    return data, exporter.MEDIA_TYPE


def _offered(behind: Behind, export: Export, line: Mapping[str, Footprint]) -> bytes:
    """The document customers got under this id; where none did yet, the one they would get."""
    if behind.declared is None:
        raise ConfigError("footprints.declaration: is missing: PACT names company and product")
    made = behind.declared.document(export.footprints[0], line)
    if not export.in_force:
        made = msgspec.structs.replace(made, status="Deprecated")
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"
