"""A function has at most 60 lines and a file at most 500, as CONTRIBUTING.md requires."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "synadmin"
SOURCES = sorted(PACKAGE.rglob("*.py"))
_FUNCTION = 60  # lines, from `def` to the last line
_FILE = 500


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{path.relative_to(PACKAGE.parent)}:{node.lineno}: {node.name} has {length} lines: "
        "move a part of it into a separate function"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for length in [(node.end_lineno or node.lineno) - node.lineno + 1]
        if length > _FUNCTION
    ]

    assert long == []


def test_no_file_is_longer_than_500_lines() -> None:
    long = [
        f"{path.relative_to(PACKAGE.parent)} has {length} lines: split it by subject"
        for path in SOURCES
        for length in [len(path.read_text("utf-8").splitlines())]
        if length > _FILE
    ]

    assert long == []
