"""``synadmin completion``: print the completion script for a shell, and save ids to complete."""

import click

from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.targets import counted
from synadmin.errors import UsageError

_VARIABLE = "_SYNADMIN_COMPLETE"


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), required=False)
@click.option("--refresh", is_flag=True, help="Save the ids of your rooms and users, to be completed.")
@click.pass_context
@pass_invocation
def completion(invocation: Invocation, context: click.Context, shell: str | None, *, refresh: bool) -> None:
    """Print the script that completes commands in a shell.

    It completes commands, options, profiles, columns and rules. Put the line into ~/.bashrc, ~/.zshrc or
    ~/.config/fish/config.fish.

    Ids of rooms and users are completed from a file in $XDG_STATE_HOME/synadmin/completion that only you can
    read. Only --refresh updates this file, from the server.

    \b
    Examples:
        eval "$(synadmin completion bash)"
        eval "$(synadmin completion zsh)"
        synadmin completion fish | source
        synadmin completion --refresh
    """
    if (shell is None) != refresh:
        raise UsageError("name a shell (bash, zsh, fish), or use --refresh")
    if shell is None:
        _refresh(invocation)
        return
    from click.shell_completion import get_completion_class

    maker = get_completion_class(shell)
    if maker is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(maker(context.find_root().command, {}, "synadmin", _VARIABLE).source())


def _refresh(invocation: Invocation) -> None:
    from synadmin.cli.known_ids import save

    with invocation.synapse() as synapse:
        path, rooms, users = save(synapse)
    click.echo(f"Saved the ids of {counted(rooms, 'room')} and {counted(users, 'user')} in {path}.")
