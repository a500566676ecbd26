"""``synadmin event``: single events."""

from typing import TYPE_CHECKING

import click

from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Group
from synadmin.cli.output import Output, output_options

if TYPE_CHECKING:
    from synadmin.render import Column


@click.group(cls=Group)
def event() -> None:
    """Events: look at one, whichever room it is in.

    `synadmin room messages` and `synadmin room context` show those of a room.
    """


@event.command(calls=["events.fetch"])
@click.argument("event_id", metavar="EVENT")
@output_options
@pass_invocation
def show(invocation: Invocation, event_id: str, *, output: Output) -> None:
    """Show an event as servers exchange it.

    You need not be in its room. The content of a redacted event is shown as long as the server keeps it: a
    week, unless its configuration says otherwise.

    \b
    Examples:
        synadmin event show '$event-id'
        synadmin event show '$event-id' -o json
    """
    from synadmin.ids import parse_event_id

    wanted = parse_event_id(event_id)
    with invocation.synapse() as synapse:
        found = synapse.events.fetch(wanted).as_sent()["event"]
    output.write_one(found, _columns())


def _columns() -> "list[Column]":
    from synadmin.render import Column, time_of

    return [
        Column("event_id", title="event"),
        Column("room_id", title="room"),
        Column("type"),
        Column("state_key", title="key"),
        Column("sender"),
        Column("origin_server_ts", title="time", value=lambda found: time_of(found.get("origin_server_ts"))),
        Column("content"),
        Column("depth", right=True),
        Column("redacts", shown=False),
        Column("unsigned", shown=False),
        Column("auth_events", shown=False),
        Column("prev_events", shown=False),
        Column("hashes", shown=False),
        Column("signatures", shown=False),
    ]
