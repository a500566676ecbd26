"""``synadmin help`` and ``version``: the help of a command, the common options, the version."""

import click

from synadmin import __version__
from synadmin.cli.lazy import Command, Group, UnknownCommandError, common_options

_COMMON = "options"


@click.command("help", cls=Command)
@click.argument("words", nargs=-1, metavar="[COMMAND...]")
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command, or the common options.

    \b
    Examples:
        synadmin help room make-admin
        synadmin help options
    """
    if words == (_COMMON,):
        click.echo(_options(context))
        return
    context = context.find_root()
    for number, word in enumerate(words):
        group = context.command
        command = group.get_command(context, word) if isinstance(group, Group) else None
        if command is None:
            raise UnknownCommandError(context, words[number:])
        context = click.Context(command, parent=context, info_name=word)
    click.echo(context.get_help())


@click.command("version", cls=Command)
def version() -> None:
    """Print the version of synadmin.

    `synadmin server version` prints the version of the server.

    \b
    Examples:
        synadmin version
    """
    click.echo(f"synadmin {__version__}")


def _options(context: click.Context) -> str:
    """Return the help of the common options."""
    formatter = context.make_formatter()
    formatter.write_text("Every command takes these options, before or after its own arguments.")
    with formatter.section("Common options"):
        records = [option.get_help_record(context) for option in common_options()]
        formatter.write_dl([record for record in records if record is not None])
    return formatter.getvalue().rstrip("\n")
