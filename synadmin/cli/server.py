"""``synadmin server``: show the version of the server."""

from typing import TYPE_CHECKING

import click

from synadmin.cli.lazy import Group
from synadmin.cli.verbs import reads

if TYPE_CHECKING:
    from synadmin.client import Synapse


@click.group(cls=Group)
def server() -> None:
    """Show the version of the server."""


@server.verb
@reads("server.version", anonymous=True)
def version(synapse: "Synapse") -> object:
    """Show the version of Synapse.

    Needs no token.

    \b
    Examples:
        synadmin server version
        synadmin server version --homeserver example.org -o json
    """
    return synapse.server.version()
