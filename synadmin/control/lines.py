"""Finds the lines of entries and keys in a TOML file, which tomllib does not report."""

import re
from collections.abc import Iterator
from typing import Final

_MULTILINE: Final = re.compile(r'"""|\'\'\'')
_ENTRY: Final = re.compile(r"\s*\[\[\s*rooms\s*\]\]")
_TABLE: Final = re.compile(r"\s*\[\s*rooms\s*\.\s*(\w+)\s*\]")
_OTHER: Final = re.compile(r"\s*\[")
_KEY: Final = re.compile(r"\s*([A-Za-z_-]+)\s*[.=]")


class Lines:
    """The lines of the ``[[rooms]]`` of a file, and of their keys."""

    def __init__(self, text: str, number: int) -> None:
        """Find the entries; if there are not ``number`` of them, no line is known."""
        self._entries: list[dict[str, int]] = []
        current: dict[str, int] | None = None
        for line_number, line in _outside_strings(text):
            if _ENTRY.match(line):
                current = {"": line_number}
                self._entries.append(current)
            elif current is not None and (table := _TABLE.match(line)):
                current.setdefault(table[1], line_number)
            elif _OTHER.match(line) and not line.lstrip().startswith("[["):
                current = None
            elif current is not None and (key := _KEY.match(line)):
                current.setdefault(key[1], line_number)
        if len(self._entries) != number:
            self._entries = []

    def of(self, entry: int, key: str = "") -> int | None:
        """Return the line of a key of an entry, or of the entry itself; the first line is 1."""
        if not self._entries:
            return None
        return self._entries[entry].get(key, self._entries[entry][""])

    def place(self, entry: int, key: str = "") -> str:
        """Return the place of a key or entry: ``line 12``, or ``number 3`` if the line is not known."""
        line = self.of(entry, key)
        return f"number {entry + 1}" if line is None else f"line {line}"

    def both(self, first: tuple[int, str], second: tuple[int, str]) -> str:
        """Return the places of two keys or entries: ``lines 12 and 14``."""
        if self._entries:
            return f"lines {self.of(*first)} and {self.of(*second)}"
        return f"[[rooms]] {self.place(*first)} and {self.place(*second)}"


def _outside_strings(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that do not begin inside a string of several lines, with their numbers."""
    inside: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if inside is None:
            yield number, line
        for quotes in _MULTILINE.findall(line):
            if inside is None:
                inside = quotes
            elif inside == quotes:
                inside = None
