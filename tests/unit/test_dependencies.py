"""Each imported package is declared in pyproject.toml, and each declared package is imported."""

from __future__ import annotations

import ast
import functools
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# The benchmarks are scripts that import each other by file name.
OWN_MODULES = {"synadmin", "tests", *(file.stem for file in (ROOT / "benchmarks").glob("*.py"))}
# Imports whose name differs from the name of their package.
PACKAGES = {
    "dns": "dnspython",
    "dotenv": "python-dotenv",
    "markdown_it": "markdown-it-py",
    "psycopg2": "psycopg2-binary",
    "synapse": "matrix-synapse",
    "twisted": "matrix-synapse",  # a dependency of Synapse
    "xdist": "pytest-xdist",
    "prometheus_client": "prometheus-client",
    "sphinx_click": "sphinx-click",
}
# Programs, plugins and type stubs: no code imports them.
NOT_IMPORTED = {
    "hatchling", "import-linter", "mypy", "ruff", "pytest-xdist", "furo", "myst-parser", "sphinx-click",
    "sphinx-copybutton", "sphinx",
    "types-psycopg2", "types-requests", "types-tabulate", "psycopg2-binary",
}  # fmt: skip


def declared(requirements: Iterable[str]) -> set[str]:
    names = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {match.group().lower() for match in names if match} - {"synadmin"}


@functools.cache
def _imported(folder: str) -> dict[str, str]:
    packages: dict[str, str] = {}
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top not in OWN_MODULES:
                    packages[PACKAGES.get(top, top)] = f"{file.relative_to(ROOT)} imports {name}"
    return packages


def imported(*folders: str) -> dict[str, str]:
    """Return the third-party packages that the folders import, and where each is imported."""
    return {package: where for folder in folders for package, where in _imported(folder).items()}


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(("synadmin",), ("sandbox",)), (("tests", "benchmarks", "docs"), ("sandbox", "dev", "docs"))],
    ids=["package", "tests"],
)
def test_imported_packages_are_declared(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    names = declared(PROJECT["dependencies"]).union(*(declared(EXTRAS[extra]) for extra in extras))
    missing = {name: where for name, where in imported(*folders).items() if name not in names}
    assert not missing


def test_declared_packages_are_imported() -> None:
    names = declared(PROJECT["dependencies"]).union(*(declared(extra) for extra in EXTRAS.values()))
    unused = names - NOT_IMPORTED - imported("synadmin", "tests", "benchmarks", "docs").keys()
    assert not unused
