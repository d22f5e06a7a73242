"""A printable statement: two pages a footprint, or more, in English or Chinese, as PDF/A-3.

The figure, its boundary, period, method, allocation, quality of data, uncertainty and evidence, with a
QR code of the evidence. The footprint itself, as JSON, is attached to the file.

~~~toml
[exporter]
kind = "statement"
lang = "en"         # or "zh"
~~~
"""

import importlib
import shutil
import subprocess
import warnings
from typing import Any, Literal

import msgspec

from calc_stream.exporters import Export
from calc_stream.exporters.statement import pages
from wire.errors import ConfigError

MEDIA_TYPE = "application/pdf"
TAKES = ("footprints",)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The language of all words; names are those that are declared in it."""

    lang: Literal["en", "zh"] = "en"


def write(export: Export, settings: Settings) -> bytes:
    """The file, the same bytes from the same footprints. Raises ConfigError."""
    html = pages.document(export, settings.lang)
    _check_fonts(settings.lang)
    weasyprint = _weasyprint()
    attached = [
        weasyprint.Attachment(
            string=msgspec.json.format(msgspec.json.encode(each), indent=2),
            name=f"{each.id}.json",
            description=f"{each.product} {each.period}",
            relationship="Source",
            created=pages.moment(each.published_ms),
            modified=pages.moment(each.published_ms),
        )
        for each in export.footprints
    ]
    with warnings.catch_warnings():
        # The library leaves the file of its colour profile to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        pdf: bytes = weasyprint.HTML(string=html, url_fetcher=_nothing_from_outside).write_pdf(
            pdf_variant="pdf/a-3u",
            pdf_identifier=pages.identifier(export),
            attachments=attached,
        )
    return pdf


def _nothing_from_outside(url: str) -> dict[str, Any]:
    """A statement is made of what is in it: names that people declare fetch nothing."""
    raise ValueError(f"{url!a} is not fetched")


def _weasyprint() -> Any:
    try:
        return importlib.import_module("weasyprint")
    except ModuleNotFoundError as exc:
        if exc.name != "weasyprint":
            raise
        raise ConfigError("statement: type  pip install 'wattprint[statement]'") from exc
    except OSError as exc:  # the library is there, Pango is not
        raise ConfigError(f"statement: {exc}; on Debian: apt install libpangoft2-1.0-0") from exc


def _check_fonts(lang: str) -> None:
    """Without a font of the language its words would be boxes. Raises ConfigError."""
    listing = shutil.which("fc-list")
    if lang != "zh" or listing is None:
        return
    found = subprocess.run([listing, ":lang=zh-cn", "family"], capture_output=True, check=True)
    if not found.stdout.strip():
        raise ConfigError(
            "statement: no font here has Chinese; on Debian: apt install fonts-noto-cjk"
        )
