"""``synadmin federation``: other servers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from synadmin.api.choices import DESTINATION_ORDERS
from synadmin.cli.lazy import Group
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.parameters import sort_option
from synadmin.cli.targets import SERVERS
from synadmin.cli.verbs import changes, reads
from synadmin.columns import Column, relative_time, time_column, time_of

if TYPE_CHECKING:
    from synadmin.api.choices import DestinationOrder
    from synadmin.client import Synapse


_NOT_DELAYED = "the connection is not delayed"
_WITHOUT_HOMESERVER = {
    "Commands": {
        "check": ("federation_check:check", "Check how other servers and clients find a server."),
        "ping": ("federation_ping:ping", "Measure how fast other servers answer."),
        "well-known": ("federation_check:well_known", "Print the files that delegate a server name."),
    },
}


def _next_try(server: Mapping[str, Any]) -> str | None:
    last, pause = server.get("retry_last_ts"), server.get("retry_interval")
    return time_of(last + pause) if last and isinstance(pause, int) else None


_COLUMNS = (
    Column("destination", title="server", whole=True),
    time_column("failure_ts", "failing since", none="not failing"),
    time_column("retry_last_ts", "last try", zero=False),
    Column("next_try", value=_next_try, terminal=relative_time),
    Column("retry_interval", title="pause (ms)", right=True, shown=False),
    Column("last_successful_stream_ordering", title="reached event", right=True, shown=False),
)
_ROOM_COLUMNS = (
    Column("room_id", title="room", whole=True),
    Column("stream_ordering", title="last event", right=True),
)


@click.group(cls=Group, lazy=_WITHOUT_HOMESERVER, package="synadmin.cli")
def federation() -> None:
    """Check the federation, and show other servers."""


@federation.verb
@reads("federation.destinations", columns=_COLUMNS, empty="No servers.")
@click.option("--search", metavar="TEXT", help="Part of a server name.")
@sort_option(DESTINATION_ORDERS, default="destination")
def destinations(
    synapse: "Synapse", *, search: str | None, sort: tuple["DestinationOrder | None", bool]
) -> object:
    """List the servers that this one sends to.

    The list includes servers that cannot be reached.

    \b
    Examples:
        synadmin federation destinations --sort failure_ts:desc
        synadmin federation destinations --search example -o ndjson
    """
    return synapse.federation.destinations(destination=search, order_by=sort[0], reverse=sort[1])


@federation.verb
@reads("federation.destination", columns=_COLUMNS)
def show(synapse: "Synapse", destination: str) -> object:
    """Show how this server reaches another server.

    \b
    Examples:
        synadmin federation show matrix.example.com
        synadmin federation show example.com:8448 -o json
    """
    return synapse.federation.destination(destination)


@federation.verb
@reads("federation.rooms", columns=_ROOM_COLUMNS, empty="No room is shared with it.")
@sort_option(("room_id",), default="room_id")
def rooms(synapse: "Synapse", destination: str, *, sort: tuple[str | None, bool]) -> object:
    """List the rooms that are shared with another server.

    \b
    Examples:
        synadmin federation rooms matrix.example.com
        synadmin federation rooms matrix.example.com -o json
    """
    return synapse.federation.rooms(destination, reverse=sort[1])


@federation.verb
@changes(SERVERS, "federation.reset_connection", does="Reset the connection to")
def reset(synapse: "Synapse", destination: str) -> Record:
    """Retry unreachable servers now.

    Otherwise the server waits until its next scheduled attempt.

    \b
    Examples:
        synadmin federation reset matrix.example.com
        synadmin federation reset --from back-online.txt
    """
    before = synapse.federation.destination(destination)
    if not before.retry_last_ts:
        return unchanged(f"nothing to reset: {_NOT_DELAYED}")
    synapse.federation.reset_connection(destination)
    after = synapse.federation.destination(destination)
    if not after.retry_last_ts:
        return done(_NOT_DELAYED)
    if after.retry_last_ts == before.retry_last_ts:
        raise NotAsAskedError(f"the connection to {destination} is still delayed")
    return done("it was tried again, and is still not reachable")
