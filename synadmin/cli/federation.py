"""``synadmin federation``: the other servers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.change import NotAsAskedError, change
from synadmin.cli.confirm import change_options
from synadmin.cli.input_files import SERVERS, read_targets
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command, Group
from synadmin.cli.output import Output, output_options

if TYPE_CHECKING:
    from synadmin.render import Column

# Repeated from synadmin.api.federation, which is not loaded for --help; a test compares them.
ORDERS = (
    "destination",
    "retry_last_ts",
    "retry_interval",
    "failure_ts",
    "last_successful_stream_ordering",
)

# These need no homeserver; their code is loaded when they are run.
_WITHOUT_HOMESERVER = {
    "check": ("synadmin.cli.federation_check:check", "Check that a server name leads to its server."),
    "ping": ("synadmin.cli.federation_ping:ping", "Tell whether servers answer, and how fast."),
    "well-known": ("synadmin.cli.federation_check:well_known", "Print the files that delegate a name."),
}


@click.group(cls=Group, lazy=_WITHOUT_HOMESERVER)
def federation() -> None:
    """Federation: the other servers that this one sends to, and those that it cannot reach."""


@federation.command(cls=Command, calls=["federation.destinations"])
@click.option("--search", metavar="TEXT", help="Part of a server name.")
@click.option("--order-by", type=click.Choice(ORDERS), help="By name, unless said otherwise.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@output_options
@pass_invocation
def destinations(
    invocation: Invocation,
    *,
    search: str | None,
    order_by: str | None,
    reverse: bool,
    output: Output,
) -> None:
    """List the servers that this one sends to, with those that cannot be reached.

    \b
    Examples:
        synadmin federation destinations --order-by failure_ts --reverse
        synadmin federation destinations --search example -o ndjson
    """
    with invocation.synapse() as synapse:
        pager = synapse.federation.destinations(destination=search, order_by=order_by, reverse=reverse)
        output.stream(pager, _columns(), empty="No servers.")


@federation.command(cls=Command, calls=["federation.destination"])
@click.argument("destination", metavar="SERVER")
@output_options
@pass_invocation
def show(invocation: Invocation, destination: str, *, output: Output) -> None:
    """Show how another server is to reach.

    \b
    Examples:
        synadmin federation show matrix.example.com
        synadmin federation show example.com:8448 -o json
    """
    from synadmin.ids import parse_server_name

    with invocation.synapse() as synapse:
        found = synapse.federation.destination(parse_server_name(destination)).as_sent()
    output.write_one(found, _columns())


@federation.command(cls=Command, calls=["federation.rooms"])
@click.argument("destination", metavar="SERVER")
@click.option("--reverse", is_flag=True, help="The other way round.")
@output_options
@pass_invocation
def rooms(invocation: Invocation, destination: str, *, reverse: bool, output: Output) -> None:
    """List the rooms that are shared with another server.

    \b
    Examples:
        synadmin federation rooms matrix.example.com
        synadmin federation rooms matrix.example.com -o json
    """
    from synadmin.ids import parse_server_name
    from synadmin.render import Column

    columns = [Column("room_id", title="room"), Column("stream_ordering", title="last event", right=True)]
    with invocation.synapse() as synapse:
        pager = synapse.federation.rooms(parse_server_name(destination), reverse=reverse)
        output.stream(pager, columns, empty="No room is shared with it.")


@federation.command(cls=Command, calls=["federation.reset_connection"])
@click.argument("destinations", nargs=-1, metavar="SERVER...")
@click.option("--from", "source", metavar="FILE|-", help="Read server names from a file, one a line.")
@change_options
@output_options
@pass_invocation
def reset(
    invocation: Invocation,
    destinations: tuple[str, ...],
    *,
    source: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Try to reach servers now, rather than when their time to be tried again has come.

    \b
    Examples:
        synadmin federation reset matrix.example.com
        synadmin federation reset --from back-online.txt
    """
    from synadmin.ids import parse_server_name

    names = read_targets(destinations, source, SERVERS)
    wanted = list(dict.fromkeys(parse_server_name(name) for name in names))
    with invocation.synapse() as synapse:

        def act(destination: str) -> Mapping[str, Any]:
            before = synapse.federation.destination(destination)
            if not before.retry_last_ts:
                return {"message": "nothing to reset: it is not waiting to be tried again"}
            synapse.federation.reset_connection(destination)
            after = synapse.federation.destination(destination)
            if not after.retry_last_ts:
                return {}
            if after.retry_last_ts == before.retry_last_ts:
                message = f"{destination} still waits to be tried again"
                raise NotAsAskedError(message)
            return {"message": "it was tried at once, and still cannot be reached"}

        return change(
            invocation,
            synapse,
            wanted,
            act,
            what="destination",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
        )


def _columns() -> "list[Column]":
    from synadmin.render import Column, time_of

    def next_try(server: Mapping[str, Any]) -> str | None:
        last, pause = server.get("retry_last_ts"), server.get("retry_interval")
        return time_of(last + pause) if last and isinstance(pause, int) else None

    return [
        Column("destination", title="server"),
        Column("failure_ts", title="failing since", value=lambda server: time_of(server.get("failure_ts"))),
        Column(
            "retry_last_ts",
            title="last try",
            value=lambda server: time_of(server.get("retry_last_ts") or None),
        ),
        Column("next_try", value=next_try),
        Column("retry_interval", title="pause (ms)", right=True, shown=False),
        Column("last_successful_stream_ordering", title="reached event", right=True),
    ]
