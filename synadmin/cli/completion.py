"""``synadmin completion``: the script that completes commands in a shell."""

import click

from synadmin.cli.lazy import Command

_VARIABLE = "_SYNADMIN_COMPLETE"


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands in a shell.

    It completes commands, options, profiles, columns and rules. Put the line into ~/.bashrc, ~/.zshrc or
    ~/.config/fish/config.fish.

    \b
    Examples:
        eval "$(synadmin completion bash)"
        eval "$(synadmin completion zsh)"
        synadmin completion fish | source
    """
    from click.shell_completion import get_completion_class

    maker = get_completion_class(shell)
    if maker is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(maker(context.find_root().command, {}, "synadmin", _VARIABLE).source())
