"""The Chinese guides translate each message of the English pages, with the same commands and links."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
GENERATE: dict[str, Any] = runpy.run_path(str(DOCS / "generate.py"))
GUIDES = ["admin-gone", "audit", "delegation", "first-steps", "moving", "regain-control"]

each_page = pytest.mark.parametrize("name", ["index", *GUIDES])


def messages(name: str) -> Iterator[str]:
    """Yield the messages that Sphinx extracts: headings, paragraphs, cells, and texts of pictures."""
    text, _, all_pages = (DOCS / f"{name}.md").read_text("utf-8").partition("## All pages")
    for token, message in GENERATE["messages"](text):
        if message:
            yield message
        yield from (child.content for child in token.children if child.type == "image")
    # conf.py makes captions from the first column.
    yield from re.findall(r"^\| (.+?) \| \[.+ \|$", all_pages, re.MULTILINE)


def test_guides_are_translated() -> None:
    assert GENERATE["TRANSLATED"] == GUIDES


@each_page
def test_each_message_has_a_translation(name: str) -> None:
    catalogue = GENERATE["catalogue"](name)
    for message in messages(name):
        entry = catalogue.get(message)
        assert entry is not None, f"{message!r} is not in the catalogue: run `make translations`"
        assert entry.string, f"{message!r} has no translation"
        assert not entry.fuzzy, f"the translation of {message!r} is fuzzy: compare, and remove the mark"


@each_page
def test_translation_has_the_same_code_and_links(name: str) -> None:
    for entry in GENERATE["catalogue"](name):
        for code_or_link in (r"`[^`]+`", r"\]\([^)]*\)"):
            assert sorted(re.findall(code_or_link, entry.string)) == sorted(
                re.findall(code_or_link, entry.id)
            ), entry.string


def test_chinese_readme_has_the_sections_of_the_english_one() -> None:
    english, chinese = ((DOCS.parent / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md"))
    assert re.findall(r"^#+", chinese, re.MULTILINE) == re.findall(r"^#+", english, re.MULTILINE)
    for name in GUIDES:
        assert f"(docs/zh_CN/{name}.md" in chinese
        assert f"](docs/{name}.md" not in chinese
