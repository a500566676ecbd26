"""Commands that take one thing or many: where the many come from, and how far the work is."""

import re
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from synadmin.cli.invocation import Invocation
from synadmin.errors import UsageError

T = TypeVar("T")

_LONGEST_LINE = 1000
_REDRAW = 0.2  # seconds
# What `-o csv` writes: its headings, the column that is meant, and the apostrophe that keeps spreadsheets
# from running a cell of it.
_HEADING_LINE = re.compile(r"[a-z_.,]+")
_HEADINGS = ("room_id", "user_id", "token", "destination", "name")
_GUARDED = re.compile(r"\A'([=+\-@])")


def items(arguments: tuple[str, ...], source: str | None, *, what: str) -> list[str]:
    """Return the things named as arguments and in a file, each once, in their order.

    Args:
        arguments: from the command line.
        source: a file with one a line, ``-`` for standard input; None where there is none.
        what: what they are called, in the singular.

    Raises:
        UsageError: the file cannot be read, or nothing was named.
    """
    named = list(arguments)
    if source is not None:
        lines = [line.strip() for line in _lines(source) if line.strip()]
        if _is_for_people(lines):
            place = "standard input" if source == "-" else source
            message = f"{place} is a table or JSON: one {what} a line is expected, or what `-o csv` writes"
            raise UsageError(message)
        named += _ids(lines, what)
    found = list(dict.fromkeys(named))
    if not found and source is not None:
        place = "standard input" if source == "-" else source
        message = f"{place} names no {what}: one a line is expected"
        raise UsageError(message)
    if not found:
        message = f"which {what}? Name it, or give a list with --from FILE"
        raise UsageError(message)
    return found


def _is_for_people(lines: list[str]) -> bool:
    """Tell whether a list is a table, or JSON, of which each line would be refused for itself."""
    if not lines:
        return False
    underlined = len(lines) > 1 and set(lines[1]) <= {"-", " "}
    return underlined or lines[0] in {"[", "[]", "{"} or lines[0].startswith('{"')


def _ids(lines: list[str], what: str) -> list[str]:
    """Return what a list names: each line, or where it is CSV with a heading that is known, its column."""
    import csv

    headings = lines[0].split(",") if lines and _HEADING_LINE.fullmatch(lines[0]) else []
    known = next((name for name in (f"{what}_id", *_HEADINGS) if name in headings), None)
    if known is None:
        return lines
    column = headings.index(known)
    return [_GUARDED.sub(r"\1", row[column]) for row in csv.reader(lines[1:]) if len(row) > column]


def _lines(source: str) -> list[str]:
    from pathlib import Path

    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
    except OSError as error:
        message = f"{source} cannot be read: {error.strerror}"
        raise UsageError(message) from None
    except UnicodeDecodeError:
        message = f"{source} is not a text file (UTF-8)"
        raise UsageError(message) from None
    lines = text.splitlines()
    too_long = next((number for number, line in enumerate(lines, 1) if len(line) > _LONGEST_LINE), None)
    if too_long is not None:
        message = f"{source}, line {too_long}: too long; one a line is expected"
        raise UsageError(message)
    return lines


def progress(invocation: Invocation, things: Iterable[T], *, total: int | None, what: str) -> Iterator[T]:
    """Pass things on, and show on a terminal how many there were and how many a second."""
    if not invocation.is_watched or total == 1:
        yield from things
        return
    started = drawn = time.monotonic()
    count = 0
    try:
        for thing in things:
            invocation.draw("")
            yield thing
            count += 1
            now = time.monotonic()
            if now - drawn >= _REDRAW:
                drawn = now
                of = f" of {total}" if total is not None else ""
                invocation.draw(f"{count}{of} {what}, {count / (now - started):.1f}/s")
    finally:
        invocation.draw("")
