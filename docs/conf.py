"""Configuration of Sphinx with MyST and the Furo theme. `make docs` builds the site and fails on warnings.

The pages are GitHub-flavoured Markdown. Hooks in this file add what only the site has: the page tree from the
table in index.md, the text of the changelog, and the options of each command.
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
# The pages in zh_CN are for a forge. Sphinx builds the Chinese site from the same catalogues.
exclude_patterns = ["_build", "zh_CN"]

# `make docs` builds the site in English, and in Chinese with `-D language=zh_CN`.
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

# The copy button copies the commands of a console block, without prompts and output.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_remove_prompts = True

# An edit link needs the URL of the repository, which may be in pyproject.toml.
_urls = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {})
if "Repository" in _urls:
    html_theme_options = {
        "source_repository": _urls["Repository"],
        "source_branch": "main",
        "source_directory": "docs/",
    }

# In help texts, backquotes mark code, and quotes and dashes are printed unchanged.
default_role = "code"
smartquotes = False

# sphinx-click needs loaded commands. The groups of synadmin load commands on use, so this loads all.
list(commands(app))


def _examples_as_code(_app: Sphinx, _context: click.Context, lines: list[str]) -> None:
    """Turn the indented lines of a help text into code blocks, and other unwrapped lines into paragraphs.

    Args:
        _app: the Sphinx application.
        _context: the context of the command.
        lines: the help text, which is changed in place. sphinx-click has put a bar before unwrapped lines.
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


def _add_site_content(_app: Sphinx, page: str, source: list[str]) -> None:
    """Add the content that only the site has to a page, before Sphinx parses the page.

    Args:
        _app: the Sphinx application.
        page: the name of the page without a suffix.
        source: a list with the text of the page, which is changed in place.
    """
    if page == "index":
        source[0] = _with_page_trees(source[0])
    elif page == "changelog":
        source[0] = (_ROOT / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](")
    elif page == "commands":
        source[0] += _ALL_OPTIONS
    elif page in {"api-coverage", "library-reference"}:
        source[0] = f"---\nhide-toc: true\n---\n{source[0]}"  # their tables need the width


_ALL_OPTIONS = """
## All options

```{eval-rst}
.. click:: synadmin.cli.app:app
   :prog: synadmin
   :nested: full
```
"""


def _with_page_trees(text: str) -> str:
    """Replace the table of all pages by a page tree with a caption for each row."""
    text, _, table = text.partition("## All pages")
    for caption, links in re.findall(r"^\| (.+?) \| (\[.+) \|$", table, re.MULTILINE):
        pages = "\n".join(re.findall(r"\(([\w-]+)\.md\)", links))
        text += f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n\n"
    return text


class _ChineseSearch(SearchChinese):
    """Chinese search without a dictionary: the index has runs of characters and pairs of characters."""

    # Sphinx 9.0 uses this name for the stemmer, which is the English one (sphinx issue 14229).
    language_name = "English"

    def split(self, input: str) -> list[str]:  # noqa: A002  Sphinx's name
        runs = re.findall(r"[\u4e00-\u9fff]{2,}", input)
        pairs = [run[at : at + 2] for run in runs for at in range(len(run) - 1)]
        return [*runs, *pairs, *super().split(input)]


def setup(app: Sphinx) -> None:
    """Register the hooks of sphinx-click and Sphinx."""
    app.add_search_language(_ChineseSearch)
    app.connect("sphinx-click-process-description", _examples_as_code)
    app.connect("source-read", _add_site_content)
