"""Sphinx: Markdown through MyST, the Furo theme. `make docs` builds it, and a warning fails the build."""

import click
from sphinx.application import Sphinx

from synadmin._version import __version__
from synadmin.cli.operations import commands

project = "synadmin"
author = "the synadmin authors"
copyright = f"2026, {author}"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "smartquotes"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = "synadmin"

# What help texts put in backquotes is code, and their quotes and dashes are typed as they stand.
default_role = "code"
smartquotes = False

# sphinx-click reads the commands that a group has loaded; ours load on use, and this loads them all.
list(commands())


def _examples_as_code(_app: Sphinx, _context: click.Context, lines: list[str]) -> None:
    """Turn the indented lines of a help text into code blocks, and other unwrapped lines into paragraphs.

    Args:
        _app: Sphinx.
        _context: of the command.
        lines: its description, changed in place; sphinx-click has put a bar before unwrapped lines.
    """
    described: list[str] = []
    in_code = False
    for line in lines:
        text = line.removeprefix("| ")
        is_code = line.startswith("|  ")
        if is_code and not in_code:
            described += ["", ".. code-block:: shell", ""]
        elif in_code and not is_code:
            described.append("")
        described.append(text)
        in_code = is_code
    lines[:] = described


def setup(app: Sphinx) -> None:
    """Register the hook of sphinx-click."""
    app.connect("sphinx-click-process-description", _examples_as_code)
