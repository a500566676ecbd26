"""What to type instead, where a command line was not understood."""

import shlex
import sys
from collections.abc import Iterator, Sequence

import click

from synadmin.cli.input_files import QUOTE_ROOMS
from synadmin.cli.lazy import UnknownCommandError

_MOST_COMMANDS = 3  # that a hint names where one of them was meant ...
_FEW_COMMANDS = 8  # ... and that it lists of a group


def usage_hint(error: click.ClickException, arguments: Sequence[str] | None) -> str | None:
    """Return what to do next about a command line that click refused; None where it does not say where.

    Args:
        error: why, with its context.
        arguments: the command line.
    """
    if _lacks_room(error):
        return QUOTE_ROOMS
    context: click.Context | None = getattr(error, "ctx", None)
    if context is None:
        return None
    words = list(sys.argv[1:] if arguments is None else arguments)
    return _meant(error, context, words) or f"`{context.command_path} --help` shows how it is used"


def _meant(error: click.ClickException, context: click.Context, words: Sequence[str]) -> str | None:
    """Return what the command line may have meant; None where there is nothing like it."""
    command = context.command
    if isinstance(error, UnknownCommandError):
        meant = _similar(context, error.words) if _misspells_noun(context, error.words) else []
        meant = meant or list(_same_verb(context.find_root(), error.words))
        if len(meant) > _MOST_COMMANDS and context.parent is not None:
            meant = []  # the noun was meant, and has no such verb
        meant = meant or _similar(context, error.words)
        if meant:
            more = f" and {len(meant) - _MOST_COMMANDS} more" if len(meant) > _MOST_COMMANDS else ""
            return f"did you mean {' or '.join(f'`{line}`' for line in meant[:_MOST_COMMANDS])}{more}?"
        names = command.list_commands(context) if isinstance(command, click.Group) else []
        if len(names) <= _FEW_COMMANDS:
            return (
                f"its commands are {', '.join(names)}: `{context.command_path} --help` shows how it is used"
            )
    elif isinstance(error, click.NoSuchOption) and isinstance(command, click.Group):
        # An option of a command that stands before its noun or its verb.
        moved = _moved(words, context)
        return None if moved is None else f"options of a command go after it: `{moved}`"
    elif "unexpected extra argument" in error.message:
        if command.name in {"login", "password"}:
            return "a password is no argument: it is asked for, or read from standard input"
        options = [name for parameter in command.params for name in parameter.opts]
        named = [name for name in ("--user", "--room") if name in options]
        return f"give it with {' or '.join(named)}" if named else None
    return None


def _same_verb(root: click.Context, words: Sequence[str]) -> Iterator[str]:
    """Yield the command line with each other noun that has the verb.

    This loads the code of all nouns, which takes a tenth of a second, and only where a command was unknown.
    """
    nouns = root.command
    if not isinstance(nouns, click.Group):
        return
    for noun in nouns.list_commands(root):
        group = nouns.get_command(root, noun)
        if isinstance(group, click.Group) and words[0] in group.list_commands(root):
            yield shlex.join(["synadmin", noun, *words])


def _similar(context: click.Context, words: Sequence[str]) -> list[str]:
    """Return the command line with the most similar command of the same group; nothing where none is."""
    nearest = _nearest(context, words)
    return [shlex.join([*context.command_path.split(), *nearest, *words[1:]])] if nearest else []


def _misspells_noun(context: click.Context, words: Sequence[str]) -> bool:
    """Whether the most similar command is a noun that has the next word, as for ``rooms list``."""
    nearest = _nearest(context, words)
    if not nearest or not isinstance(context.command, click.Group):
        return False
    noun = context.command.get_command(context, nearest[0])
    return isinstance(noun, click.Group) and len(words) > 1 and words[1] in noun.list_commands(context)


def _nearest(context: click.Context, words: Sequence[str]) -> list[str]:
    from difflib import get_close_matches

    group = context.command
    names = group.list_commands(context) if isinstance(group, click.Group) else []
    return get_close_matches(words[0], names, n=1)


def _lacks_room(error: click.ClickException) -> bool:
    if isinstance(error, click.BadOptionUsage):
        return error.option_name in {"--room", "--space"}
    parameter = error.param if isinstance(error, click.MissingParameter) else None
    return isinstance(parameter, click.Argument) and (
        parameter.metavar or parameter.name or ""
    ).upper().rstrip(".").startswith("ROOM")


def _moved(words: Sequence[str], context: click.Context) -> str | None:
    """Return the command line with the options before its verb at its end; None where there is no verb."""
    command: click.Command | None = context.find_root().command
    names: list[str] = []
    others: list[str] = []
    for number, word in enumerate(words):
        if not isinstance(command, click.Group):
            others = [*words[number:], *others]
            break
        inner = command.get_command(context, word)
        if inner is None:
            others.append(word)
        else:
            command = inner
            names.append(word)
    return None if isinstance(command, click.Group) else shlex.join(["synadmin", *names, *others])
