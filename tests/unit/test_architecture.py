"""docs/architecture.md and CONTRIBUTING.md say what is there: the layers, and each file of two packages."""

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
def test_layers_of_the_page_are_those_of_import_linter(page: str) -> None:
    (block,) = re.findall(
        r"^```text\ncli .*?^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    shown = [line.split("  ")[0].split() for line in block.splitlines()[1:-1]]
    checked = [re.findall(r"\w+", layer) for layer in LAYERS]

    assert [sorted(set(line) - {"|"}) for line in shown] == [
        sorted(set(layer) - {"_version"}) for layer in checked
    ], f"the layers in {page} are not those of pyproject.toml"


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

    assert sorted(modules - named) == [], f"{heading!r} in docs/architecture.md names no such module"


OURS = {"run", "journal.run", "path.stem", "' '.join(plan.command[:2])"}
"""What a printed command may have without quotes: names that synadmin makes or has checked."""


def _unquoted(node: ast.JoinedStr) -> set[str]:
    """Return what an f-string puts between the backticks of a synadmin command."""
    parts = [
        f"\0{ast.unparse(part.value)}\0"
        if isinstance(part, ast.FormattedValue)
        else str(ast.literal_eval(part))
        for part in node.values
    ]
    commands = re.findall("`synadmin [^`]*`", "".join(parts))
    return {value for text in commands for value in text.split("\0")[1::2]}


def test_printed_commands_quote_ids() -> None:
    """An id of another server may hold quotes and semicolons; `synadmin.text.command` quotes it."""
    unquoted = [
        (path.name, value)
        for path in sorted((ROOT / "synadmin").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.JoinedStr)
        for value in _unquoted(node) - OURS
    ]
    assert unquoted == []
