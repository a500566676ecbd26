"""``--resolve`` and ``--nameserver``: a network that is not yet as it shall be."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")


def network_options(function: Callable[P, R]) -> Callable[P, R]:
    """Give a command ``--resolve`` and ``--nameserver``; it receives ``resolve`` and ``nameserver``."""
    nameserver = click.option(
        "--nameserver",
        metavar="ADDRESS[:PORT]",
        help="Ask this nameserver rather than the system's.",
    )
    resolve = click.option(
        "--resolve",
        metavar="NAME:PORT:ADDRESS[:PORT]",
        multiple=True,
        help="Use this address for a name and port, rather than DNS. Repeatable.",
    )
    return resolve(nameserver(function))
