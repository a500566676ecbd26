"""Hints for command lines that are not valid: what to type instead."""

import shlex
import sys
from collections.abc import Iterator, Sequence

import click

from synadmin.cli.input_files import QUOTE_ROOMS
from synadmin.cli.lazy import Group, UnknownCommandError

_MOST_COMMANDS = 3  # the most commands that a hint suggests ...
_FEW_COMMANDS = 8  # ... and the most commands of a group that a hint lists
_SIMILAR = 0.7  # the least similarity, 0 to 1: "create" is not a typing error for "replace"
_MAIN_NOUNS = ("room", "user", "device", "media")  # verbs of other nouns are suggested only for these nouns

_OTHER_VERBS = {
    "room": {
        "add": "join",
        "admin": "make-admin",
        "admins": "power",
        "details": "show",
        "history": "messages",
        "info": "show",
        "invite": "join",
        "promote": "set-power",
        "regain": "make-admin",
        "remove": "delete",
        "rm": "delete",
        "users": "members",
    },
    "user": {
        "admins": "list --admins",
        "ban": "lock",
        "block": "lock",
        "delete": "deactivate",
        "details": "show",
        "disable": "lock",
        "info": "show",
        "power": "rooms --with-power",
        "remove": "deactivate",
        "rm": "deactivate",
    },
    "journal": {"continue": "resume last", "revert": "undo last"},
    "sandbox": {"create": "up", "remove": "down", "run": "up", "start": "up", "stop": "down"},
}
"""The verbs of other tools, and the equivalent verbs of synadmin."""
_OTHER_OPTIONS = {
    "--admin": "--user",
    "--force": "--yes",
    "--target": "--user",
    "-f": "--yes",
    "-n": "--dry-run",
}
"""The options of other tools, and the equivalent options of synadmin."""


def usage_hint(error: click.ClickException, arguments: Sequence[str] | None) -> str | None:
    """Return the hint for a command line that click refused; None where the command is not known."""
    if _lacks_room(error):
        return QUOTE_ROOMS
    context: click.Context | None = getattr(error, "ctx", None)
    if context is None:
        return None
    words = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(error, click.MissingParameter) and error.param is not None and error.param.name == "run":
        return f"`{context.command_path} last` uses the newest run; `synadmin journal list` lists the runs"
    shows = "lists its commands" if isinstance(context.command, click.Group) else "shows how it is used"
    return _suggestion(error, context, words) or f"`{context.command_path} --help` {shows}"


def _suggestion(error: click.ClickException, context: click.Context, words: Sequence[str]) -> str | None:
    """Return a suggestion for the command line; None where nothing is similar."""
    command = context.command
    if isinstance(error, UnknownCommandError):
        meant = _suggested_commands(context, error.words)
        if meant:
            more = f" and {len(meant) - _MOST_COMMANDS} more" if len(meant) > _MOST_COMMANDS else ""
            lines = " or ".join(f"`{line}`" for line in meant[:_MOST_COMMANDS])
            if words[0] == "help":
                lines = lines.replace("`synadmin ", "`synadmin help ")
            return f"did you mean {lines}{more}?"
        names = command.list_commands(context) if isinstance(command, click.Group) else []
        if len(names) <= _FEW_COMMANDS:
            return f"its commands are {', '.join(names)}: `{context.command_path} --help` explains them"
    elif isinstance(error, click.NoSuchOption):
        return _suggested_option(error, context, words)
    elif "unexpected extra argument" in error.message:
        if command.name in {"login", "password"}:
            return "a password is no argument: it is asked for, or read from standard input"
        options = [name for parameter in command.params for name in parameter.opts]
        named = [name for name in ("--user", "--room") if name in options]
        return f"give it with {' or '.join(named)}" if named else None
    return None


def _suggested_commands(context: click.Context, words: Sequence[str]) -> list[str]:
    """Return the command lines that may be meant by an unknown command, the likeliest first."""
    noun = context.command.name or ""
    other = _OTHER_VERBS.get(noun, {}).get(words[0])
    if other is not None:
        return [f"{context.command_path} {other} {shlex.join(words[1:])}".rstrip()]
    if _misspells_noun(context, words):
        return _similar(context, words)
    swapped = _verb_before_noun(context, words)
    if swapped is not None:
        return [swapped]
    meant = list(_same_verb(context.find_root(), words))
    if context.parent is not None:
        # The noun is known: suggest another noun only if it is the only one with this verb.
        meant = [line for line in meant if len(meant) == 1 and line.split()[1] in _MAIN_NOUNS]
    return meant or _similar(context, words)


def _verb_before_noun(context: click.Context, words: Sequence[str]) -> str | None:
    """Return the command line for ``list rooms`` and ``show user alice``; None for other words."""
    nearest = _nearest(context, words[1:]) if context.parent is None and len(words) > 1 else []
    noun = (
        context.command.get_command(context, nearest[0])
        if isinstance(context.command, Group) and nearest
        else None
    )
    if isinstance(noun, click.Group) and words[0] in noun.list_commands(context):
        return shlex.join(["synadmin", nearest[0], words[0], *words[2:]])
    return None


def _suggested_option(error: click.NoSuchOption, context: click.Context, words: Sequence[str]) -> str | None:
    """Return a suggestion for an unknown option; None where no option is similar."""
    if isinstance(context.command, click.Group):
        # The option was written before the noun or the verb of its command.
        moved = _moved(words, context)
        return None if moved is None else f"options of a command go after it: `{moved}`"
    if "-help" in words:
        return f"did you mean `{context.command_path} --help`?"
    other = _OTHER_OPTIONS.get(error.option_name)
    if not any(other in parameter.opts for parameter in context.command.params):
        return None
    return f"did you mean {other}?"


def _same_verb(root: click.Context, words: Sequence[str]) -> Iterator[str]:
    """Yield the command line with each noun that has the verb.

    This loads the code of all nouns, which takes 0.1 seconds. It is called only for an unknown command.
    """
    nouns = root.command
    if not isinstance(nouns, click.Group):
        return
    for noun in nouns.list_commands(root):
        group = nouns.get_command(root, noun)
        if isinstance(group, click.Group) and words[0] in group.list_commands(root):
            yield shlex.join(["synadmin", noun, *words])


def _similar(context: click.Context, words: Sequence[str]) -> list[str]:
    """Return the command line with the most similar command of the group; empty where none is similar."""
    nearest = _nearest(context, words)
    return [shlex.join([*context.command_path.split(), *nearest, *words[1:]])] if nearest else []


def _misspells_noun(context: click.Context, words: Sequence[str]) -> bool:
    """Whether a noun is a plural, or the most similar noun has the next word as a verb (``rom list``)."""
    nearest = _nearest(context, words)
    if not nearest or not isinstance(context.command, click.Group):
        return False
    noun = context.command.get_command(context, nearest[0])
    if isinstance(noun, click.Group) and words[0] == f"{nearest[0]}s":
        return True
    return isinstance(noun, click.Group) and len(words) > 1 and words[1] in noun.list_commands(context)


def _nearest(context: click.Context, words: Sequence[str]) -> list[str]:
    from difflib import get_close_matches

    group = context.command
    names = group.list_commands(context) if isinstance(group, click.Group) else []
    return get_close_matches(words[0], names, n=1, cutoff=_SIMILAR)


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
