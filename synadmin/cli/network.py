"""``--resolve`` and ``--nameserver``: check a network before its DNS is changed."""

import click

from synadmin.cli.invocation import with_options

network_options = with_options(
    click.Option(
        ["--resolve"],
        metavar="NAME:PORT:ADDRESS[:PORT]",
        multiple=True,
        help="Use this address for a name and port, rather than DNS. Repeatable.",
    ),
    click.Option(
        ["--nameserver"], metavar="ADDRESS[:PORT]", help="Ask this nameserver rather than the system's."
    ),
)
