"""Scores of unpacked openLCA packages as Brightway computes them: for one unit of each product.

Brightway's importer reads, converts and links the package, whose own impact categories weigh the
emissions. Its database keeps amounts in single precision, so they are solved twice: `stored` as they
come out of the database, and `exact` from the amounts the importer gave, in double precision. The
project stands in BRIGHTWAY2_DIR.
"""

import json
import sys
from pathlib import Path
from typing import Any

import bw2calc
import bw2data
import bw_processing
import numpy as np
from bw2io.importers.json_ld import JSONLDImporter

METHOD = ("climate change",)


def imported(folder: Path, name: str) -> Any:
    package = JSONLDImporter(folder, name)
    package.apply_strategies(no_warning=True)
    edges = [edge for node in package.data for edge in node["exchanges"]]
    assert edges
    assert all(edge["input"] for edge in edges)
    package.merge_biosphere_flows()
    package.write_database()
    return package


def weights(folder: Path, name: str) -> dict[tuple[str, str], float]:
    files = sorted((folder / "lcia_categories").glob("*.json"))
    return {
        (name, factor["flow"]["@id"]): factor["value"]
        for path in files
        for factor in json.loads(path.read_text())["impactFactors"]
    }


def in_double(package: Any, weighed: dict[tuple[str, str], float]) -> Any:
    """The same as the database holds, with all digits."""
    entries: dict[str, list[tuple[int, int, float, bool]]] = {"technosphere": [], "biosphere": []}
    for node in package.data:
        column = bw2data.get_id((node["database"], node["code"]))
        for edge in node["exchanges"]:
            matrix = "biosphere" if edge["type"] == "biosphere" else "technosphere"
            row = bw2data.get_id(edge["input"])
            flip = edge["type"] == "technosphere"
            entries[matrix].append((row, column, edge["amount"], flip))
    ids = [(bw2data.get_id(key), value) for key, value in weighed.items()]
    entries["characterization"] = [(id_, id_, value, False) for id_, value in ids]
    found = bw_processing.create_datapackage()
    for name, cells in entries.items():
        told = {"global_index": None} if name == "characterization" else {}
        found.add_persistent_vector(
            matrix=f"{name}_matrix",
            indices_array=np.array([cell[:2] for cell in cells], dtype=bw_processing.INDICES_DTYPE),
            data_array=np.array([cell[2] for cell in cells]),
            flip_array=np.array([cell[3] for cell in cells]),
            **told,
        )
    return found


def score(product: int, objects: list[Any]) -> float:
    lca = bw2calc.LCA({product: 1}, data_objs=objects)
    lca.lci()
    lca.lcia()
    return float(lca.score)


def scores(folder: Path, name: str) -> dict[str, dict[str, float]]:
    package, weighed = imported(folder, name), weights(folder, name)
    method = bw2data.Method((*METHOD, name))
    method.register()
    method.write(list(weighed.items()))
    exact = in_double(package, weighed)
    found = {}
    for path in sorted((folder / "processes").glob("*.json")):
        process = json.loads(path.read_text())
        made = next(each for each in process["exchanges"] if each["isQuantitativeReference"])
        product = bw2data.get_id((name, made["flow"]["@id"]))
        _, objects, _ = bw2data.prepare_lca_inputs({product: 1}, method=(*METHOD, name))
        found[process["@id"]] = {
            "stored": score(product, objects),
            "exact": score(product, [exact]),
        }
    return found


bw2data.projects.set_current("peers")
print(json.dumps([scores(Path(name), f"ours {at}") for at, name in enumerate(sys.argv[1:])]))
