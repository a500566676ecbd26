"""``--resolve`` and ``--nameserver``: options to check a network before a DNS change."""

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
