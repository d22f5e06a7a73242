"""A published footprint as a file, in the form whoever asks for it reads."""

from dataclasses import replace
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
        declaration = None if behind.declared is None else behind.declared.declaration
        line = exporters.published(behind.shelf, behind.site, found.product, declaration)
        export = replace(line, rows=[found], offset=found.evidence.offset)
        if form not in _OF_ANY and not export.in_force:
            raise Problem(409, f"footprint {footprint}: {_not_in_force(found, line, form)}")
        try:
            # Laying out pages is work for a core: one at a time leaves one to the rest.
            with behind.walking:
                if form == "pact":
                    data, media_type = _offered(behind, found, line), "application/json"
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


def _not_in_force(footprint: Footprint, line: Export, form: Form) -> str:
    """`line`: all of its product."""
    held = f"{form} holds footprints in force"
    successor = successors(line.footprints).get(footprint.id)
    if successor is not None:
        return f"{held}: ask for {successor}, which took its place"
    return f"{held}; this one was withdrawn: {line.withdrawn[footprint.id].reason}"


def _written(export: Export, form: Form, lang: str) -> tuple[bytes, str]:
    """The file and its media type. Raises ConfigError and BadData for what the form cannot say."""
    exporter = exporters.find(form)
    told = [f"lang={lang}"] if "lang" in exporter.Settings.__struct_fields__ else []
    data: bytes = exporter.write(export, exporters.settings(exporter, form, told))
    return data, exporter.MEDIA_TYPE


def _offered(behind: Behind, footprint: Footprint, line: Export) -> bytes:
    """The document customers got under this id; where none did yet, the one they would get."""
    if behind.declared is None:
        raise ConfigError("footprints.declaration: is missing: PACT names company and product")
    made = behind.declared.document(footprint, {each.id: each for each in line.footprints})
    if footprint not in line.in_force:
        made = msgspec.structs.replace(made, status="Deprecated")
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"
