"""Sphinx: Markdown through MyST, the Furo theme. `make docs` builds it, and a warning fails the build.

The pages are plain GitHub-flavoured Markdown. What only the site has is added here: the tree of pages from
the table in index.md, the text of the changelog, and the options of every command.
"""

import re
import tomllib
from pathlib import Path

import click
from sphinx.application import Sphinx
from sphinx.search.zh import SearchChinese

from synadmin._version import __version__
from synadmin.cli.app import app
from synadmin.cli.operations import commands

_ROOT = Path(__file__).parent.parent

project = "synadmin"
author = "the synadmin authors"
copyright = f"2026, {author}"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
# What is in zh_CN is for the forge: the site in Chinese comes from the same catalogues.
exclude_patterns = ["_build", "zh_CN"]

# `make docs` builds the site in English, and beside it in Chinese (`-D language=zh_CN`).
locale_dirs = ["locale"]
gettext_location = False

myst_heading_anchors = 4

autodoc_typehints = "description"
autodoc_member_order = "bysource"

templates_path = ["templates"]
html_theme = "furo"
html_title = f"synadmin {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/languages.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ],
}

# Copy the commands of a console block, without prompts and output.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_remove_prompts = True

# An edit link needs the address of the repository: pyproject.toml has it, if there is one.
_urls = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {})
if "Repository" in _urls:
    html_theme_options = {
        "source_repository": _urls["Repository"],
        "source_branch": "main",
        "source_directory": "docs/",
    }

# What help texts put in backquotes is code, and their quotes and dashes are typed as they stand.
default_role = "code"
smartquotes = False

# sphinx-click reads the commands that a group has loaded; ours load on use, and this loads them all.
list(commands(app))


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


def _add_what_only_the_site_has(_app: Sphinx, page: str, source: list[str]) -> None:
    """Extend a page before it is parsed.

    Args:
        _app: Sphinx.
        page: its name, without a suffix.
        source: its text, the only item of a list, changed in place.
    """
    if page == "index":
        source[0] = _with_page_trees(source[0])
    elif page == "changelog":
        source[0] = (_ROOT / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](")
    elif page == "commands":
        source[0] += _ALL_OPTIONS
    elif page in {"api-coverage", "library-reference"}:
        source[0] = f"---\nhide-toc: true\n---\n{source[0]}"  # their tables need the place


_ALL_OPTIONS = """
## All options

```{eval-rst}
.. click:: synadmin.cli.app:app
   :prog: synadmin
   :nested: full
```
"""


def _with_page_trees(text: str) -> str:
    """Replace the table of all pages by one captioned tree for each of its rows."""
    text, _, table = text.partition("## All pages")
    for caption, links in re.findall(r"^\| (.+?) \| (\[.+) \|$", table, re.MULTILINE):
        pages = "\n".join(re.findall(r"\(([\w-]+)\.md\)", links))
        text += f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n\n"
    return text


class _ChineseSearch(SearchChinese):
    """Search in Chinese without a dictionary: for whole runs of characters, parts of them, and any two."""

    # Sphinx 9.0 takes the name of the stemmer from it, and that is the English one (sphinx issue 14229).
    language_name = "English"

    def split(self, input: str) -> list[str]:  # noqa: A002  Sphinx's name
        runs = re.findall(r"[\u4e00-\u9fff]{2,}", input)
        pairs = [run[at : at + 2] for run in runs for at in range(len(run) - 1)]
        return [*runs, *pairs, *super().split(input)]


def setup(app: Sphinx) -> None:
    """Register the hooks of sphinx-click and Sphinx."""
    app.add_search_language(_ChineseSearch)
    app.connect("sphinx-click-process-description", _examples_as_code)
    app.connect("source-read", _add_what_only_the_site_has)
