"""Every page is valid GitHub-flavoured Markdown, and its links and commands work."""

from __future__ import annotations

import functools
import itertools
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import click
import pytest
from click.exceptions import NoArgsIsHelpError
from markdown_it import MarkdownIt

from synadmin.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md"))]
# linkify needs another package, and only turns bare URLs into links.
PARSER = MarkdownIt("gfm-like", {"linkify": False})

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@functools.cache
def tokens(page: Path) -> list[Token]:
    return PARSER.parse(page.read_text("utf-8"))


def texts(page: Path) -> Iterator[str]:
    """Yield the visible text outside of code: one paragraph, heading or table cell at a time."""
    for token in tokens(page):
        if token.type == "inline":
            yield "".join(
                "\n" if child.type in {"softbreak", "hardbreak"} else child.content
                for child in token.children or []
                if child.type in {"text", "softbreak", "hardbreak"}
            )


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    last_numbers: dict[str, int] = {}
    all_tokens = tokens(page)
    for opening, inline in itertools.pairwise(all_tokens):
        if opening.type == "heading_open":
            title = "".join(child.content for child in inline.children or [])
            anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            last_numbers[anchor] = last_numbers.get(anchor, -1) + 1
    return {
        f"{anchor}-{number}" if number else anchor
        for anchor, last in last_numbers.items()
        for number in range(last + 1)
    }


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the text and the target of each link and picture."""
    for token in tokens(page):
        children = token.children or []
        for number, child in enumerate(children):
            if child.type == "image":
                yield child.content, unquote(str(child.attrs["src"]))
            elif child.type == "link_open":
                end = next(at for at in range(number, len(children)) if children[at].type == "link_close")
                yield (
                    "".join(inner.content for inner in children[number:end]),
                    unquote(str(child.attrs["href"])),
                )


@each_page
def test_links_have_text_and_a_target(page: Path) -> None:
    for text, target in links(page):
        assert text.strip(), f"the link to {target} has no text"
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.is_relative_to(ROOT), f"{target} is outside of the repository"
        assert file.exists(), f"{target} does not exist"
        assert not anchor or anchor in anchors(file), f"{target}: {file.name} has no such heading"


@each_page
def test_pages_have_no_sphinx_only_syntax(page: Path) -> None:
    for token in tokens(page):
        if token.type == "fence":
            assert not token.info.startswith("{"), f"directive {token.info}"
        if token.type in {"html_block", "html_inline"}:
            assert token.content.strip().startswith("<!--"), token.content
    for text in texts(page):
        assert not re.search(r"^:\w[\w-]*:|^:::|^\(.*\)=$", text, re.MULTILINE), text
        assert not re.search(r"\{\w+\}$|^%", text, re.MULTILINE), text


@each_page
def test_tables_render_as_tables(page: Path) -> None:
    for text in texts(page):
        assert not re.search(r"^\||^-+\|", text, re.MULTILINE), text


@each_page
def test_console_block_begins_with_a_command(page: Path) -> None:
    for token in tokens(page):
        if token.type == "fence" and token.info == "console":
            assert token.content.startswith("$ "), token.content


@each_page
def test_transcript_markers_are_invisible(page: Path) -> None:
    for token in tokens(page):
        assert not re.search(r"^#: ", token.content, re.MULTILINE)


def commands(page: Path) -> Iterator[str]:
    """Yield the synadmin commands of a page: those in console blocks, and those in backquotes."""
    for token in tokens(page):
        if token.type == "fence" and token.info == "console":
            yield from re.findall(r"^\$ (?:[A-Z_]+=\S+ )*(synadmin [^|<>;&\n]+)", token.content, re.MULTILINE)
        for child in token.children or []:
            if child.type == "code_inline" and re.match(r"synadmin (?!COMMAND|NOUN)[^…|<>]+$", child.content):
                yield child.content


@each_page
def test_commands_on_pages_exist_with_their_options(page: Path) -> None:
    for command in commands(page):
        try:
            parse(shlex.split(command, comments=True)[1:])
        except (click.MissingParameter, NoArgsIsHelpError):
            # A sentence may name a command without its arguments; the commands of these pages are complete.
            assert page.name not in {"README.md", "tasks.md"}, command
        except click.UsageError as error:
            pytest.fail(f"{command}: {error.format_message()}")
        except click.exceptions.Exit:
            assert command.endswith(" --help")


def parse(words: list[str]) -> None:
    """Parse a command line as click does, without running it. A placeholder (ROOM) counts as a value."""
    command: click.Command = app
    context: click.Context | None = None
    name: str | None = "synadmin"
    while True:
        context = command.make_context(name, words, parent=context, resilient_parsing=False)
        words = [*context._protected_args, *context.args]  # noqa: SLF001  click has the arguments of a group there
        if not isinstance(command, click.Group) or not words:
            return
        name, subcommand, words = command.resolve_command(context, words)
        assert subcommand is not None
        command = subcommand


def test_tasks_page_has_at_least_thirty_tasks() -> None:
    tasks = ROOT / "docs" / "tasks.md"
    assert len(list(commands(tasks))) >= 30


def test_chinese_readme_has_the_commands_of_the_english_one() -> None:
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"

    def code_blocks(page: Path) -> list[str]:
        return [token.content for token in tokens(page) if token.type == "fence"]

    def table_commands(page: Path) -> list[str]:
        return re.findall(r"^\| .*? \| (`synadmin .*?`) \|", page.read_text("utf-8"), re.MULTILINE)

    assert code_blocks(chinese) == code_blocks(english)
    assert table_commands(chinese) == table_commands(english) != []
