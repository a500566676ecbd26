"""``synadmin federation ping``: measure how fast other servers answer."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.exit_codes import EXIT_DONE, EXIT_REFUSED
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.network import network_options
from synadmin.cli.output import Output, output_options, terminal_width
from synadmin.cli.progress import progress
from synadmin.cli.targets import room_id_of
from synadmin.columns import Column
from synadmin.errors import UsageError
from synadmin.ids import is_server_name, server_name_of

if TYPE_CHECKING:
    from synadmin.delegation.ping import Ping
_MOST = 100
_COLOURS = {"fast": "green", "slow": "yellow", "none": "red"}


@click.command(cls=Command)
@click.argument("server_names", nargs=-1, metavar="SERVER_NAME...")
@click.option(
    "--count", type=click.IntRange(1, _MOST), default=4, show_default=True, help="Requests to each server."
)
@click.option("--from-rooms", metavar="ROOM", multiple=True, help="The servers of a room's members.")
@click.option("--destinations", is_flag=True, help="All servers that the homeserver sends to.")
@network_options
@output_options
@pass_invocation
def ping(
    invocation: Invocation,
    server_names: tuple[str, ...],
    *,
    count: int,
    from_rooms: tuple[str, ...],
    destinations: bool,
    resolve: tuple[str, ...],
    nameserver: str | None,
    output: Output,
) -> int:
    """Measure how fast other servers answer.

    Asks them for their version.

    A server must be found by its name and have a valid certificate, as for other homeservers. The time is
    from request to answer, over an open connection.

    Named servers need no homeserver and no token; --from-rooms and --destinations need both.

    \b
    Examples:
        synadmin federation ping matrix.org example.org
        synadmin federation ping --from-rooms '#club:example.org' --count 2
        synadmin federation ping --destinations -o csv

    Exit codes: 0 all servers answered; 5 at least one did not.
    """
    from synadmin.delegation.names import parse_name
    from synadmin.delegation.ping import ping as ping_one
    from synadmin.delegation.ping import ping_all
    from synadmin.delegation.server_check import Network

    for name in server_names:
        parse_name(name)
    settings = invocation.settings
    network = Network.parsed(settings.ca_file, nameserver, resolve)
    known = _known(invocation, from_rooms, destinations=destinations) if from_rooms or destinations else []
    names = list(dict.fromkeys((*server_names, *known)))
    if not names:
        if from_rooms or destinations:
            invocation.say("there is no other server")
            output.write([], _COLUMNS)
            return EXIT_DONE
        raise UsageError("no server is named: name one, or give --from-rooms ROOM or --destinations")
    pings: Iterable[Ping] = ping_all(
        names,
        lambda name: ping_one(name, network, count=count, timeout=settings.timeout),
        at_once=settings.concurrency,
    )
    finished = progress(invocation, pings, total=len(names), what="servers")
    return _report(finished, output)


def _report(pings: "Iterable[Ping]", output: Output) -> int:
    """Print the servers, and return the exit code. The fastest is first, unless each is printed at once."""
    silent = 0

    def records() -> "Iterator[dict[str, Any]]":
        nonlocal silent
        shown = pings
        if output.form != "ndjson":
            shown = sorted(pings, key=lambda result: (result.average, result.server_name))
        for result in shown:
            silent += not result.answered
            yield result.as_record()

    if output.in_words:
        _show(list(records()))
    else:
        output.write(records(), _COLUMNS)
    return EXIT_REFUSED if silent else EXIT_DONE


def _known(invocation: Invocation, rooms: Iterable[str], *, destinations: bool) -> list[str]:
    """Return the other servers that the homeserver knows."""
    names: dict[str, None] = {}
    with invocation.synapse() as synapse:
        home = server_name_of(synapse.owner)
        for room in rooms:
            members = synapse.rooms.members(room_id_of(synapse, room)).members
            names |= dict.fromkeys(sorted(server_name_of(member) for member in members))
        if destinations:
            names |= dict.fromkeys(to.destination for to in synapse.federation.destinations())
    return [name for name in names if name != home and is_server_name(name)]


_COLUMNS = (
    Column("server_name", title="server", whole=True),
    Column("sent", right=True),
    Column("received", right=True),
    Column("min_ms", title="min ms", right=True),
    Column("avg_ms", title="avg ms", right=True),
    Column("max_ms", title="max ms", right=True),
    Column("software"),
    Column("version"),
    Column("problem"),
)


def _mark(record: Mapping[str, Any]) -> str:
    from synadmin.delegation.ping import FAST

    if record["avg_ms"] is None:
        return "none"
    return "fast" if record["avg_ms"] < FAST else "slow"


def _show(records: list[dict[str, Any]]) -> None:
    """Print the table with a mark before each line, in colour on a terminal with colours."""
    import sys

    from synadmin.cli import colors
    from synadmin.tables import as_text

    columns = [Column("mark", title="", value=_mark), *_COLUMNS]
    if all(record["problem"] is None for record in records):
        columns.pop()

    def style(column: Column | None, text: str) -> str:
        if column is not None and column.name == "mark":
            return click.style(text, fg=_COLOURS[text])
        return colors.cell(column, text)

    colored = colors.enabled(sys.stdout)
    text = as_text(records, columns, width=terminal_width(), style=style if colored else None)
    colors.echo(text, nl=False)
