"""What to type instead, where a command line was not understood."""

import shlex
import sys
from collections.abc import Sequence

import click


def usage_hint(error: click.ClickException, arguments: Sequence[str] | None) -> str:
    """Return what to do next about a command line that click refused.

    Args:
        error: why, with its context.
        arguments: the command line.
    """
    context = getattr(error, "ctx", None)
    words = list(sys.argv[1:] if arguments is None else arguments)
    path = context.command_path if context is not None else "synadmin"
    if isinstance(error, click.NoSuchOption) and context is not None and context.parent is None:
        # An option of a command that stands before the noun.
        moved = _moved(words, context.command)
        if moved is not None:
            return f"options of a command go after it: {moved}"
    if isinstance(error, click.MissingParameter) and _takes_room(error):
        return f"put a room in single quotes: {path} '#club:example.org' (the shell takes # as a comment)"
    return f"`{path} --help` shows how it is used"


def _takes_room(error: click.MissingParameter) -> bool:
    parameter = error.param
    return isinstance(parameter, click.Argument) and (
        parameter.metavar or parameter.name or ""
    ).upper().rstrip(".").startswith("ROOM")


def _moved(words: Sequence[str], group: click.Command) -> str | None:
    """Return the command line with the options before its noun at its end; None where there is no noun."""
    nouns = group.list_commands(click.Context(group)) if isinstance(group, click.Group) else []
    noun = next((number for number, word in enumerate(words) if word in nouns), None)
    return None if not noun else shlex.join(["synadmin", *words[noun:], *words[:noun]])
