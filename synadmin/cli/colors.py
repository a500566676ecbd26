"""Colours and marks of outcomes, severities and headings: on a terminal, unless NO_COLOR is set."""

import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from synadmin.columns import Column

CHOICES = ("auto", "always", "never")

# The sign and the colour of each outcome.
_MARKS = {
    "done": ("✔", "green"),
    "unchanged": ("✔", "green"),
    "in-order": ("✔", "green"),
    "planned": ("●", "blue"),
    "pending": ("…", "yellow"),
    "partly": ("✖", "yellow"),
    "refused": ("✖", "yellow"),
    "failed": ("✖", "red"),
    "unknown": ("✖", "red"),
}
_LABELS = {
    "synadmin": "red",
    "error": "red",
    "crashed": "red",
    "warning": "yellow",
    "not checked": "yellow",
    "info": "cyan",
    "hint": "cyan",
    "solved": "green",
}
_OUTCOME = rf"( +)({'|'.join(_MARKS)}): "
_MARKED = rf"( +)([✔●…✖] ({'|'.join(_MARKS)})):(?=\s|$)"
_LABEL = rf"( *)({'|'.join(_LABELS)}):(?=\s|$)"


def enabled(stream: TextIO | None) -> bool:
    """Return whether a standard stream gets colours and signs."""
    context = click.get_current_context(silent=True)
    choice = getattr(context.find_root().obj, "color", None) if context is not None else None
    if choice in {"always", "never"}:
        return bool(choice == "always")
    if stream is None or not stream.isatty() or os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("TERM", "dumb") != "dumb"


def mark(outcome: str) -> str:
    """Return an outcome with its sign."""
    return f"{_MARKS[outcome][0]} {outcome}" if outcome in _MARKS else outcome


def marked(line: str) -> str:
    """Return a line that begins with an outcome (``  done: …``) with the sign of the outcome."""
    match = re.match(_OUTCOME, line)
    return line if match is None else f"{match[1]}{mark(match[2])}: {line[match.end() :]}"


def painted(line: str) -> str:
    """Return a safe line; the outcome or label at its start is in colour.

    Call it after wrapping, because colours have no width. Only the start of the line, which this program
    wrote, is searched: the rest may have names that members chose.
    """
    match = re.match(_MARKED, line)
    if match is not None:
        outcome = click.style(match[2], fg=_MARKS[match[3]][1], bold=True)
        return f"{match[1]}{outcome}:{line[match.end() :]}"
    match = re.match(_LABEL, line)
    if match is None:
        return line
    label = click.style(f"{match[2]}:", fg=_LABELS[match[2]], bold=True)
    return f"{match[1]}{label}{line[match.end() :]}"


def heading(text: str) -> str:
    """Return a heading with bold lines."""
    return "\n".join(click.style(line, bold=True) for line in text.split("\n"))


def cell(column: "Column | None", text: str) -> str:
    """Return a cell of a table in colour: an outcome with its sign, or a heading where the column is None."""
    if column is None:
        return heading(text)
    outcome = text.rsplit(maxsplit=1)[-1] if column.name == "outcome" and text else ""
    if outcome not in _MARKS:
        return text
    return "\n".join(click.style(line, fg=_MARKS[outcome][1], bold=True) for line in text.split("\n"))


def echo(text: str, stream: TextIO | None = None, *, nl: bool = True) -> None:
    """Print text on a standard stream. Its colours are removed where colours are not enabled.

    Args:
        text: text that is safe on a terminal.
        stream: stdout where it is None.
    """
    stream = sys.stdout if stream is None else stream
    click.echo(text, file=stream, nl=nl, color=enabled(stream))


def with_marks(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record with the sign of its outcome, for a table."""
    outcome = record.get("outcome")
    return {**record, "outcome": mark(outcome)} if isinstance(outcome, str) else record


class HelpFormatter(click.HelpFormatter):
    """A help formatter with bold headings where colour is enabled."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line with a bold heading."""
        super().write_usage(prog, args, prefix)
        if enabled(sys.stdout) and self.buffer[0].startswith("Usage:"):
            self.buffer[0] = self.buffer[0].replace("Usage:", click.style("Usage:", bold=True), 1)

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        shown = click.style(f"{heading}:", bold=True) if enabled(sys.stdout) else f"{heading}:"
        self.write(f"{'':>{self.current_indent}}{shown}\n")


class Context(click.Context):
    """A click context that uses :class:`HelpFormatter`."""

    formatter_class = HelpFormatter
