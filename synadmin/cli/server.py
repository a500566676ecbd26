"""``synadmin server``: the server itself."""

import click

from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command, Group
from synadmin.cli.output import Output, output_options


@click.group(cls=Group)
def server() -> None:
    """The server itself."""


@server.command(cls=Command, calls=["server.version"])
@output_options
@pass_invocation
def version(invocation: Invocation, *, output: Output) -> None:
    """Show which version of Synapse it is. Needs no token.

    \b
    Examples:
        synadmin server version
        synadmin server version --homeserver example.org -o json
    """
    from synadmin.render import Column

    with invocation.synapse(anonymous=True) as synapse:
        found = synapse.server.version().as_sent()
    output.write_one(found, [Column(name) for name in found])
