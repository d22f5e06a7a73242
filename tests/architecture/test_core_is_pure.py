"""The core imports only what is on this list: nothing that reads a clock, a file or a socket."""

import ast
from pathlib import Path

CORE = Path(__file__).parents[2] / "calc_stream/core"
ALLOWED = {
    "bisect",
    "calc_stream.core",
    "collections",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "json",
    "math",
    "msgspec",
    "numpy",
    "operator",
    "re",
    "struct",
    "tomllib",
    "typing",
    "wire.config",
    "wire.errors",
    "wire.messages",
    "wire.quantities",
    "wire.reasons",
    "wire.units",
    "zlib",
    "zoneinfo",  # tables of facts that come with Python or the system, as Unicode's do
}
# These say how sure a figure is, in floats; nothing of them may come back into a figure.
ABOUT_FIGURES = {"held", "sensitivity", "uncertainty", "ways"}
# Decide in another order on another processor: never on the way to a posting.
FORBIDDEN_CALLS = {"dot", "matmul", "linalg", "einsum", "tensordot", "inner", "vdot"}


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module or "")
    return names


def is_allowed(name: str) -> bool:
    return any(name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED)


def test_the_core_imports_only_what_is_allowed():
    files = list(CORE.rglob("*.py"))
    assert len(files) > 10
    strays = {
        (file.name, name)
        for file in files
        for name in imported(ast.parse(file.read_text()))
        if not is_allowed(name)
    }
    assert not strays


def test_no_matrix_product_and_no_float_in_the_core():
    found = set()
    for file in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
                found.add((file.name, "@"))
            if isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_CALLS:
                found.add((file.name, node.attr))
            if file.stem in ABOUT_FIGURES:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                found.add((file.name, node.value))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "float":
                found.add((file.name, "float()"))
            if isinstance(node, ast.Attribute) and node.attr in {"float64", "float32"}:
                found.add((file.name, node.attr))
    assert not found


def test_nothing_that_makes_a_figure_knows_how_sure_it_is():
    floating = {f"calc_stream.core.{name}" for name in ABOUT_FIGURES}
    makers = [file for file in CORE.rglob("*.py") if file.stem not in ABOUT_FIGURES]
    assert makers
    for file in makers:
        assert not imported(ast.parse(file.read_text())) & floating, file.name
