"""Pure: what all ILCD data sets have alike: texts by language, references, roots, exchanges."""

import re
from collections.abc import Iterable
from typing import Any

from calc_stream.datasets.words import Said

Table = dict[str, Any]
VERSION = "01.00.000"
# Data sets of the ILCD network itself, which every tool has.
FORMAT = ("a97a0155-0234-4b87-b4ce-a45da52f2a40", "03.00.003", "ILCD format")
_ENTRY = ("d92a1a12-2545-49e2-a585-55c259997756", "20.20.002", "ILCD Data Network - Entry-level")
_SPACE = "http://lca.jrc.it/ILCD/"
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def chinese(text: str) -> bool:
    """Whether there is a Chinese character in it: a text in English may hold none, one in Chinese must."""
    return _CHINESE.search(text) is not None


def by_script(text: str) -> Said:
    """In the language it is written in."""
    return Said("", text) if chinese(text) else Said(text, "")


def texts(said: Said, most: int | None = None) -> list[Table]:
    """Both languages, as far as they are there; no longer than `most`."""
    found = []
    if said.en and not chinese(said.en):
        found.append({"@xml:lang": "en", "#text": _cut(said.en, most)})
    if chinese(said.zh):
        found.append({"@xml:lang": "zh", "#text": _cut(said.zh, most)})
    return found


def joined(parts: Iterable[Said]) -> Said:
    """One after the other."""
    each = list(parts)
    return Said(" ".join(one.en for one in each), "".join(one.zh for one in each))


def reference(kind: str, id_: str, version: str, name: str | Said) -> Table:
    """To a data set; those of ours stand beside in the package."""
    folder = kind.replace(" ", "").replace("property", "propertie") + "s"
    said = name if isinstance(name, Said) else Said(name, name)
    return {
        "@type": f"{kind} data set",
        "@refObjectId": id_,
        "@version": version,
        "@uri": f"../{folder}/{id_}.xml",
        "common:shortDescription": texts(said, 1000),
    }


def own(kind: str, id_: str, name: str) -> Table:
    """To a data set of this package."""
    return reference(kind, id_, VERSION, name)


def root(space: str, element: str, attributes: Table, content: Table) -> Table:
    """A whole data set."""
    return {
        f"{element}DataSet": {
            "@xmlns": f"{_SPACE}{space}",
            "@xmlns:common": f"{_SPACE}Common",
            "@xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "@version": "1.1",
            **attributes,
            "@xsi:schemaLocation": f"{_SPACE}{space} ../../schemas/ILCD_{space}DataSet.xsd",
            **content,
        }
    }


def exchange(number: int, flow: Table, direction: str, amount: str, function: str = "") -> Table:
    """What a process takes or gives."""
    found: Table = {"@dataSetInternalID": str(number), "referenceToFlowDataSet": flow}
    if function:
        found["functionType"] = function
    return {
        **found,
        "exchangeDirection": direction,
        "meanAmount": amount,
        "resultingAmount": amount,
    }


def classed(id_: str, text: str) -> Table:
    """A class of the lists ILCD has for everything but processes and flows."""
    one = {"@level": "0", "@classId": id_, "#text": text}
    return {"common:classification": {"common:class": one}}


def compliance(*, short: bool = False) -> Table:
    """Nobody has reviewed it: nothing is claimed."""
    found: Table = {
        "common:referenceToComplianceSystem": reference("source", *_ENTRY),
        "common:approvalOfOverallCompliance": "Not defined",
    }
    for aspect in () if short else ("nomenclature", "methodological", "review", "documentation"):
        found[f"common:{aspect}Compliance"] = "Not defined"
    if not short:
        found["common:qualityCompliance"] = "Not defined"
    return {"compliance": found}


def _cut(text: str, most: int | None) -> str:
    return text if most is None or len(text) <= most else f"{text[: most - 3]}..."
