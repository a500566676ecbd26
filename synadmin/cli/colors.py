"""Colours and marks of outcomes, severities and headings: on a terminal, unless NO_COLOR or TERM=dumb."""

import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import click

CHOICES = ("auto", "always", "never")

# Outcomes, and what stands before them.
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
_OUTCOME = re.compile(rf"^( +)({'|'.join(_MARKS)}): ", re.MULTILINE)
_MARKED = re.compile(rf"(?m)(?:(?<=^)|(?<=  ))[✔●…✖] ({'|'.join(_MARKS)})(?=:? |$)")
_LABEL = re.compile(rf"^( *)({'|'.join(_LABELS)}): ", re.MULTILINE)
_HEADING = re.compile(rf"\A(?!(?:{'|'.join(_LABELS)}): )(\S[^\n]*)(?=\n  )")
_TABLE_HEADING = re.compile(r"\A([^\n]+)(?=\n-[- ]*\n)")


def enabled(stream: TextIO | None) -> bool:
    """Return whether text on a standard stream is coloured and marked."""
    context = click.get_current_context(silent=True)
    choice = getattr(context.find_root().obj, "color", None) if context is not None else None
    if choice in {"always", "never"}:
        return bool(choice == "always")
    if stream is None or not stream.isatty() or os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("TERM", "dumb") != "dumb"


def mark(outcome: str) -> str:
    """Return an outcome with the sign that stands for it."""
    return f"{_MARKS[outcome][0]} {outcome}" if outcome in _MARKS else outcome


def marked(text: str) -> str:
    """Return text with the sign of its outcome before each ``  done: …``."""
    return _OUTCOME.sub(lambda found: f"{found[1]}{mark(found[2])}: ", text)


def painted(text: str) -> str:
    """Return text that is safe to be shown with its headings, outcomes and labels in colour.

    It is called after the text was brought into lines: what it adds has no width.
    """
    text = _HEADING.sub(lambda found: click.style(found[1], bold=True), text)
    text = _TABLE_HEADING.sub(lambda found: click.style(found[1], bold=True), text)
    text = _MARKED.sub(lambda found: click.style(found[0], fg=_MARKS[found[1]][1], bold=True), text)
    return _LABEL.sub(
        lambda found: f"{found[1]}{click.style(f'{found[2]}:', fg=_LABELS[found[2]], bold=True)} ", text
    )


def echo(text: str, stream: TextIO | None = None, *, nl: bool = True) -> None:
    """Print text on a standard stream, coloured where that is enabled.

    Args:
        text: safe to be shown.
        stream: stdout where it is None.
        nl: end the line.
    """
    stream = sys.stdout if stream is None else stream
    colored = enabled(stream)
    click.echo(painted(text) if colored else text, file=stream, nl=nl, color=colored)


def with_marks(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record with the sign of its outcome, for a table."""
    outcome = record.get("outcome")
    return {**record, "outcome": mark(outcome)} if isinstance(outcome, str) else record


class HelpFormatter(click.HelpFormatter):
    """Help whose headings are bold where colour is enabled."""

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
    """A context with the help above."""

    formatter_class = HelpFormatter
