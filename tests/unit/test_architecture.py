"""docs/architecture.md and CONTRIBUTING.md match the code: the layers, and the files of two packages."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS, COMMAND_LAYERS = ([*contract["layers"]] for contract in CONTRACTS if contract["type"] == "layers")


def names(layers: list[str]) -> set[str]:
    return set(re.findall(r"\w+", " ".join(layers)))


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_layers_on_the_page_match_import_linter(page: str) -> None:
    (block,) = re.findall(
        r"^```text\ncli .*?^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    documented = [line.split("  ")[0].split() for line in block.splitlines()[1:-1]]
    declared = [re.findall(r"\w+", layer) for layer in LAYERS]

    assert [sorted(set(line) - {"|"}) for line in documented] == [
        sorted(set(layer) - {"_version"}) for layer in declared
    ], f"the layers in {page} differ from those in pyproject.toml"


def test_each_file_named_on_the_page_exists() -> None:
    paths = re.findall(r"`((?:synadmin/)?(?:\w+/)+\w*(?:\.py)?)`", ARCHITECTURE)
    named = {path.removeprefix("synadmin/") for path in paths if not path.startswith(("tests/", "docs/"))}

    assert [path for path in sorted(named) if not (ROOT / "synadmin" / path).exists()] == []


@pytest.mark.parametrize(
    ("package", "heading"),
    [("recovery", "## Recovery, file by file"), ("cli", "## What commands share")],
)
def test_each_module_is_described(package: str, heading: str) -> None:
    section = ARCHITECTURE.partition(heading)[2].partition("\n## ")[0]
    modules = {path.stem for path in (ROOT / "synadmin" / package).glob("*.py")} - {"__init__"}
    if package == "cli":
        shared = names([layer for layer in COMMAND_LAYERS if "media" not in layer])
        modules &= shared
    named = set(re.findall(r"(\w+)\.py", section))

    assert sorted(modules - named) == [], f"describe these modules below {heading!r} in docs/architecture.md"


SAFE_EXPRESSIONS = {"run", "journal.run", "path.stem", "' '.join(plan.command[:2])"}
"""Expressions that need no quotes in a printed command: synadmin makes or checks their values."""


def _inserted_expressions(node: ast.JoinedStr) -> set[str]:
    """Return the expressions that an f-string inserts into a synadmin command in backticks."""
    parts = [
        f"\0{ast.unparse(part.value)}\0"
        if isinstance(part, ast.FormattedValue)
        else str(ast.literal_eval(part))
        for part in node.values
    ]
    commands = re.findall("`synadmin [^`]*`", "".join(parts))
    return {value for text in commands for value in text.split("\0")[1::2]}


def test_printed_commands_quote_ids() -> None:
    """An id from another server may contain quotes and semicolons; `synadmin.text.command` quotes it."""
    unquoted = [
        (path.name, value)
        for path in sorted((ROOT / "synadmin").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.JoinedStr)
        for value in _inserted_expressions(node) - SAFE_EXPRESSIONS
    ]
    assert unquoted == []
