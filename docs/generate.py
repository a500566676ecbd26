"""Generate parts of the documentation: reference pages, code blocks in the guides, and pictures.

    python docs/generate.py          write the pages
    python docs/generate.py --check  exit with 1 if a page is out of date

Four pages are generated from the program: the operations of the Admin API, the rules of the audit, the
commands, and the public names of the library.
In the other pages, a comment above a code block names the content of the block:

    <!-- transcript: club committee -->   the part `committee` of docs/transcripts/club.txt
    <!-- transcript: audit lost 1-12 -->  its lines 1 to 12, and `...` for the rest
    <!-- file: cron/crontab -->           the file docs/cron/crontab

docs/zh_CN/ has the Chinese guides for a forge: the English pages with the translations of docs/locale. Sphinx
builds the Chinese site from the same catalogues.
Each session that was recorded in colour, docs/transcripts/*.ansi, becomes a picture, docs/pictures/*.svg.

`make docs` and a test check the pages; `make reference` writes them.
"""

import dataclasses
import inspect
import io
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import click
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console
from rich.text import Text

import synadmin
from synadmin.audit import rules
from synadmin.cli.app import app
from synadmin.cli.lazy import Group
from synadmin.cli.operations import MAS_ADMIN, Operation, commands, operations
from synadmin.client import RESOURCE_GROUPS

_HERE = Path(__file__).parent
_SYNAPSE = "1.163.2"
_MAS = "1.22.0"
_BLOCK = re.compile(r"^(<!-- (transcript|file): (.+) -->\n```\w+\n)(?:(?!```).*\n)*?```$", re.MULTILINE)


# The translated guides. Only the site uses the translation of the index: a forge has README.zh-CN.md.
_CATALOGUES = _HERE / "locale" / "zh_CN" / "LC_MESSAGES"
TRANSLATED = sorted(path.stem for path in _CATALOGUES.glob("*.po") if path.stem != "index")
_PARSER = MarkdownIt("gfm-like", {"linkify": False})


def pages() -> dict[str, str]:
    """Return the texts of all generated pages, by path relative to docs/."""
    coverage = [*_coverage(operations(app)), *_mas_coverage(operations(app, MAS_ADMIN))]
    generated = {
        "api-coverage.md": "\n".join(coverage) + "\n",
        "audit-rules.md": rules.document(),
        "commands.md": "\n".join(_commands()) + "\n",
        "library-reference.md": "\n".join(_library()) + "\n",
    }
    for path in [*sorted(_HERE.parent.glob("README*.md")), *sorted(_HERE.glob("*.md"))]:
        text = path.read_text("utf-8")
        if _BLOCK.search(text) and path.name not in generated:
            generated[os.path.relpath(path, _HERE)] = with_blocks(text)
    for name in TRANSLATED:
        path = _HERE / f"{name}.md"
        generated[f"zh_CN/{name}.md"] = _translated(name, generated.get(path.name) or path.read_text("utf-8"))
    for path in sorted(_HERE.glob("transcripts/*.ansi")):
        generated[f"pictures/{path.stem}.svg"] = _picture(path)
    return generated


# The SVG frame around the lines of a terminal. The frame of rich would load a font from another server.
_FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: "DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def _picture(session: Path) -> str:
    """Return a session that was recorded in colour as an SVG picture of a terminal."""
    lines = [line for line in session.read_text("utf-8").splitlines() if not line.startswith("#: ")]
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi("\n".join(lines)))
    drawn = console.export_svg(title="synadmin", code_format=_FRAME, unique_id=session.stem)
    return re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE)


def _commands() -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield "`synadmin COMMAND --help` shows the options of a command and an example. The common options"
    yield "(`--profile`, `--homeserver`, `--timeout`, `-v`, `-q`) stand before or after the command."
    for heading, names in app.sections.items():
        yield from ["", f"## {heading}", "", "| Command | What it does |", "|---|---|"]
        for name in names:
            for path, command in commands(app.get_command(click.Context(app), name), (name,)):
                if not isinstance(command, Group) or command.invoke_without_command:
                    summary = (command.help or "").partition("\n\n")[0]
                    yield f"| `synadmin {' '.join(path)}` | {summary} |"


def _library() -> Iterator[str]:
    yield "# Public names of the Python library"
    yield ""
    yield "Everything in `synadmin.__all__`, with the methods and fields of each."
    yield "[The Python library](library.md) shows how to use them. The docstrings say more:"
    yield "`help(synadmin.Synapse.regain)`."
    yield from ["", "## Synapse", "", "| Call | What it does |", "|---|---|"]
    yield from _methods("synapse", synadmin.Synapse)
    for group in RESOURCE_GROUPS:
        cls = type(getattr(synadmin.Synapse("https://matrix.example.org", journal=None), group))
        yield from ["", f"## synapse.{group}", "", _summary(cls), "", "| Call | What it does |", "|---|---|"]
        yield from _methods(f"synapse.{group}", cls)
    classes = [getattr(synadmin, name) for name in synadmin.__all__ if name not in {"Synapse", "__version__"}]
    for cls in classes:
        if not issubclass(cls, Exception):
            yield from [
                "",
                f"## {cls.__name__}",
                "",
                _summary(cls),
                "",
                "| Name | What it is |",
                "|---|---|",
            ]
            yield from (f"| `{name}` | {words} |" for name, words in _fields(cls))
            yield from _methods("", cls)
    yield from ["", "## Errors", "", "| Error | Raised when |", "|---|---|"]
    yield from (f"| `{cls.__name__}` | {_summary(cls)} |" for cls in classes if issubclass(cls, Exception))


def _methods(owner: str, cls: type) -> Iterator[str]:
    """Yield a row for each public method or property of a class, also for inherited ones."""
    dot = "." if owner else ""
    for name, member in sorted(inspect.getmembers(cls)):
        is_method = inspect.isfunction(member) or inspect.ismethod(member)
        if name.startswith("_") or not (is_method or isinstance(member, property | cached_property)):
            continue
        signature = _signature(member) if is_method else ""
        of = cls.__name__ if inspect.ismethod(member) and owner else owner
        yield f"| `{of}{dot}{name}{signature}` | {_summary(member)} |"


def _signature(method: Callable[..., object]) -> str:
    """Return the parameters of a method without their types."""
    signature = inspect.signature(method)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in signature.parameters.items()
        if name != "self"
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)).replace(
        "|", "\\|"
    )


def _fields(cls: type) -> Iterator[tuple[str, str]]:
    """Yield the fields of a class, each with its description in the docstring."""
    doc = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")[2]
    described = dict(re.findall(r"^    (\w+): ((?:.+\n?(?: {8}.+\n?)*))", doc, re.MULTILINE))
    if dataclasses.is_dataclass(cls):
        yield from ((field.name, _plain(described.get(field.name, ""))) for field in dataclasses.fields(cls))


def _summary(member: object) -> str:
    """Return the first paragraph of a docstring as a table cell."""
    return _plain(inspect.cleandoc(member.__doc__ or "").partition("\n\n")[0])


def _plain(text: str) -> str:
    """Return a text of a docstring as a table cell."""
    words = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(text.split()).replace("``", "`"))
    return words.replace("|", "\\|")


def with_blocks(text: str) -> str:
    """Replace the content of the marked code blocks of a page by the transcripts and files of the markers."""

    def fill(block: re.Match[str]) -> str:
        content = _transcript(*block[3].split()) if block[2] == "transcript" else _file(block[3])
        return f"{block[1]}{content}\n```"

    return _BLOCK.sub(fill, text)


def _transcript(session: str, part: str, lines: str = "") -> str:
    text = (_HERE / "transcripts" / f"{session}.txt").read_text("utf-8")
    found = re.search(rf"^#: {re.escape(part)}\n(.*?)\n?(?=^#: )", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise SystemExit(f"docs/transcripts/{session}.txt has no part {part!r}")
    if not lines:
        return found[1]
    first, last = (int(number) for number in lines.split("-"))
    content = found[1].splitlines()
    return "\n".join(content[first - 1 : last] + ["..."] * (last < len(content)))


def messages(text: str) -> Iterator[tuple[Token, str]]:
    """Yield the headings, paragraphs and table cells of a page on one line, as in Sphinx's catalogues.

    The text of an empty cell is empty.
    """
    for token in _PARSER.parse(text):
        if token.type == "inline":
            yield token, " ".join(token.content.split("\n"))


def catalogue(name: str) -> Catalog:
    """Return the translations of a page."""
    with (_CATALOGUES / f"{name}.po").open("rb") as file:
        return read_po(file)


def _translated(name: str, text: str) -> str:
    """Return a page with its headings, paragraphs and cells in Chinese. Texts without a translation stay."""
    lines = text.splitlines()
    for first, end, translation in reversed([*_replacements(text, catalogue(name))]):
        lines[first:end] = [translation]
    translated = _LINK.sub(
        lambda link: f"]({_link_in_chinese(name, link[1], link[2] or '')})", "\n".join(lines)
    )
    return f"<!-- `make reference` writes this page from {name}.md and docs/locale. -->\n{translated}\n"


def _in_chinese(message: str, translations: Catalog) -> str:
    """Return the translation of a message, or the message if it has no translation or a fuzzy one."""
    entry = translations.get(message) if message else None
    return str(entry.string) if entry and entry.string and not entry.fuzzy else message


def _replacements(text: str, translations: Catalog) -> Iterator[tuple[int, int, str]]:
    """Yield each replacement: the first line, the line after the last line, and the new text."""
    lines = text.splitlines()
    rows: dict[int, str] = {}
    for token, message in messages(text):
        translation = _in_chinese(message, translations)
        first, end = token.map
        before, source, _ = lines[first].partition(token.content.split("\n")[0])
        if before.startswith("|"):
            cell = translation.replace("|", "\\|")
            rows[first] = rows.get(first, "") + f"| {cell} "
        elif source:
            yield first, end, before + translation
    yield from ((number, number + 1, f"{row}|") for number, row in rows.items())


_LINK = re.compile(r"\]\((?![a-z]+:)([^)#]*)(#[^)]*)?\)")


def _link_in_chinese(name: str, path: str, anchor: str) -> str:
    """Return the target of a link of a translated page: a page in zh_CN, or the English page."""
    linked = path.removesuffix(".md") if path else name
    if linked not in TRANSLATED:
        return f"../{path}{anchor}"
    if anchor:
        anchors = [*_anchors((_HERE / f"{linked}.md").read_text("utf-8"), catalogue(linked))]
        anchor = f"#{dict(anchors)[anchor[1:]]}"
    return f"{path}{anchor}"


def _anchors(text: str, translations: Catalog) -> Iterator[tuple[str, str]]:
    """Yield the anchor of each heading of a page on a forge, and the anchor of the translated heading."""
    for opening, inline in itertools.pairwise(_PARSER.parse(text)):
        if opening.type == "heading_open":
            yield _anchor(inline.content), _anchor(_in_chinese(inline.content, translations))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _file(path: str) -> str:
    return (_HERE / path).read_text("utf-8").rstrip("\n")


def _coverage(listed: list[Operation]) -> Iterator[str]:
    yield "# The Admin API"
    yield ""
    yield f"The {len(listed)} operations that Synapse {_SYNAPSE} has under `/_synapse/admin`, with the"
    yield "call in Python and the command for each. `synadmin api --list` prints the same, for scripts with"
    yield "`-o json`."
    yield ""
    yield "*Since* is the first Synapse version with the operation, if it is newer than 1.98. *MAS* is *yes*"
    yield "if the operation still exists where the Matrix Authentication Service manages the accounts."
    yield ""
    yield "| Operation | Call | Command | Since | MAS |"
    yield "|---|---|---|---|---|"
    for operation in listed:
        path = operation.path.removeprefix("/_synapse/admin")
        deprecated = f" (deprecated: use `{operation.instead}`)" if operation.instead else ""
        yield (
            f"| `{operation.method} {path}`{deprecated} | `{operation.call}` "
            f"| `synadmin {operation.command}` | {operation.since or ''} "
            f"| {'yes' if operation.mas else 'no'} |"
        )


def _mas_coverage(listed: list[Operation]) -> Iterator[str]:
    yield ""
    yield "## The Matrix Authentication Service"
    yield ""
    yield f"The {len(listed)} operations that the Matrix Authentication Service (MAS) {_MAS} has under"
    yield f"`{MAS_ADMIN.rstrip('/')}`. `synadmin api` sends any of them. *Since* is the first MAS"
    yield "version with the operation, if it is newer than 0.10."
    yield ""
    yield "| Operation | Call | Command | Since |"
    yield "|---|---|---|---|"
    for operation in listed:
        path = operation.path.removeprefix(MAS_ADMIN.rstrip("/"))
        command = f"`synadmin {operation.command}`" if operation.command else ""
        yield f"| `{operation.method} {path}` | `{operation.call}` | {command} | {operation.since or ''} |"


def main() -> int:
    """Write the pages, or check them with `--check`."""
    check = "--check" in sys.argv[1:]
    stale = [name for name, text in pages().items() if _read(_HERE / name) != text]
    for name in stale:
        if check:
            sys.stderr.write(f"docs/{name} is out of date: run `make reference`\n")
        else:
            (_HERE / name).write_text(pages()[name], "utf-8")
    return 1 if check and stale else 0


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
